use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Command, clap::Error> {
    Options::try_parse_from(line.split_whitespace()).map(|options| options.command)
}

#[test]
fn the_command_line_is_consistent() {
    Options::command().debug_assert();
}

#[test]
fn help_is_given_at_length() {
    for (command, text) in [
        ("demo", text::DEMO),
        ("join", text::JOIN_EXAMPLES),
        ("simulate", text::SIMULATE_EXAMPLES),
    ] {
        let help = parse(&format!("fedlink {command} --help"))
            .unwrap_err()
            .to_string();
        let line = text.lines().last().unwrap();
        assert!(help.contains(line), "{help}");
    }
}

#[test]
fn every_example_is_accepted() {
    let texts = [
        text::OVERVIEW,
        text::DEMO_EXAMPLES,
        text::PROVISION_EXAMPLES,
        text::SERVE_EXAMPLES,
        text::JOIN_EXAMPLES,
        text::CHECK_EXAMPLES,
        #[cfg(unix)]
        text::TRY_EXAMPLES,
        text::SIMULATE_EXAMPLES,
    ];
    for text in texts {
        let examples = text
            .lines()
            .filter_map(|line| line.find("fedlink ").map(|at| &line[at..]));
        assert!(examples.clone().count() > 0, "{text}");
        for example in examples {
            parse(example).unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }
}

#[test]
fn the_demo_needs_no_options() {
    let Command::Demo(options) = parse("fedlink demo").unwrap() else {
        panic!()
    };
    assert_eq!((options.sites, options.rounds, options.seed), (8, 20, 1));
    assert_eq!(
        (options.transport, options.suite),
        (DemoTransport::Tls, SuiteOption::Sealed)
    );
}

#[test]
fn sites_are_named_in_any_way() {
    let base = "fedlink provision --project wine --host 127.0.0.1";
    for sites in [
        "--sites a,b,c",
        "--site a --site b --site c",
        "--sites a,b --site c",
    ] {
        let Command::Provision(options) = parse(&format!("{base} {sites}")).unwrap() else {
            panic!()
        };
        assert_eq!(options.sites, ["a", "b", "c"]);
    }
}

#[test]
fn adding_sites_excludes_making_a_project() {
    parse("fedlink provision --out wine --add-site d").unwrap();
    for line in [
        "fedlink provision",
        "fedlink provision --add-site d",
        "fedlink provision --out wine --add-site d --sites e",
        "fedlink provision --out wine --add-site d --project wine",
        "fedlink provision --out wine --add-site d --server coordinator",
        "fedlink provision --project wine --sites a",
        "fedlink provision --project wine --host 127.0.0.1",
    ] {
        parse(line).unwrap_err();
    }
}

#[test]
fn numbers_are_bounded() {
    for option in [
        "--sites 0",
        "--sites 65",
        "--rounds 0",
        "--rounds 10001",
        "--payload-mib 1025",
    ] {
        parse(&format!("fedlink demo {option}")).unwrap_err();
    }
    for option in ["--sites 64", "--payload-mib 1024"] {
        parse(&format!("fedlink demo {option}")).unwrap();
    }
}

fn join(line: &str) -> Result<JoinOptions, clap::Error> {
    parse(&format!("fedlink join {line}")).map(|command| match command {
        Command::Join(options) => options,
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_program_has_arguments_of_its_own() {
    let options = join("--nvflare kit --exec python3 train.py --quiet -- --seed 7").unwrap();
    assert_eq!(options.exec.unwrap(), ["python3", "train.py"]);
    assert_eq!(options.arguments, ["--seed", "7"]);
    assert_eq!((options.seed, options.quiet), (1, true));
    join("--nvflare kit --exec python3 -u train.py").unwrap_err();
    join("--nvflare kit --share 1/2 -- more").unwrap_err();
}

#[test]
fn a_site_has_wines_or_a_program_unless_it_only_looks() {
    join("--share 1/2").unwrap();
    join("--nvflare kit --share 1/2").unwrap();
    join("--nvflare kit --once").unwrap();
    for line in [
        "",
        "--nvflare kit",
        "--nvflare kit --exec",
        "--nvflare kit --share 1/2 --exec true",
        "--nvflare kit --once --share 1/2",
        "--nvflare kit --once --exec true",
    ] {
        join(line).unwrap_err();
    }
    let error = join("--nvflare kit").unwrap_err().to_string();
    for option in ["--share", "--exec", "--once"] {
        assert!(error.contains(option), "{error}");
    }
}

#[test]
fn what_is_for_nvflare_alone_needs_it() {
    for option in [
        "--state folder",
        "--on-replaced take-over",
        "--json",
        "--exec true",
        "--accept-executors A,b.C",
        "--accept-filters A",
        "--accept-changed-arrays",
    ] {
        let share = match option {
            "--exec true" => "",
            _ => "--share 1/2",
        };
        join(&format!("{share} {option}")).unwrap_err();
        join(&format!("--nvflare kit {share} {option}")).unwrap();
    }
    join("--once").unwrap_err();
    join("--nvflare kit --kit other --share 1/2").unwrap_err();
}

#[test]
fn shares_are_counted_from_one() {
    assert_eq!("1/8".parse(), Ok(ShareOption { index: 0, of: 8 }));
    assert_eq!("64/64".parse(), Ok(ShareOption { index: 63, of: 64 }));
    for text in ["", "1", "0/8", "9/8", "1/65", "-1/8", "a/b", "1/0"] {
        assert!(
            text.parse::<ShareOption>()
                .unwrap_err()
                .contains("as in 3/8"),
            "{text}"
        );
    }
}

#[test]
fn times_have_units() {
    for (text, micros) in [
        ("0s", 0),
        ("7us", 7),
        ("250ms", 250_000),
        ("90s", 90_000_000),
        ("2m", 120_000_000),
        ("1h", 3_600_000_000),
    ] {
        let span: Span = text.parse().unwrap();
        assert_eq!(span.0.as_micros(), micros, "{text}");
        assert_eq!(span.to_string(), text);
    }
    for text in ["", "s", "30", "1.5s", "-1s", "3d", "18446744073709551615h"] {
        let error = text.parse::<Span>().unwrap_err();
        assert!(error.contains("as in 30s"), "{text}");
    }
}

#[test]
fn what_is_for_a_storm_alone_needs_it() {
    for option in ["--downtime 5s", "--register-cost 1ms", "--message-cost 1us"] {
        parse(&format!("fedlink simulate {option}")).unwrap_err();
        parse(&format!("fedlink simulate --storm {option}")).unwrap();
    }
    for option in ["--no-jitter", "--duration 1m"] {
        parse(&format!("fedlink simulate {option}")).unwrap();
        parse(&format!("fedlink simulate --storm {option}")).unwrap_err();
    }
    for option in ["--clients 0", "--clients 10000001", "--budget 0"] {
        parse(&format!("fedlink simulate {option}")).unwrap_err();
    }
}
