//! Tries a program that speaks the trainer protocol, as a site would: for its author.

fn main() -> std::process::ExitCode {
    #[cfg(unix)]
    return try_out::main();
    #[cfg(not(unix))]
    return std::process::ExitCode::FAILURE;
}

#[cfg(unix)]
mod try_out;
