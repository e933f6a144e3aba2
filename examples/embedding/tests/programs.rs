//! Each example does its job, as a user would run it.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::{fs, thread, time::Duration};

fn ends_well(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complaints}");
    assert!(said.contains("round 3: 2.625\n"), "{said}");
    assert_eq!(said.matches("has left").count(), 3, "{said}");
}

#[test]
fn over_tcp() {
    ends_well(env!("CARGO_BIN_EXE_tcp"), &[]);
}

#[test]
fn on_smol() {
    ends_well(env!("CARGO_BIN_EXE_smol"), &[]);
}

/// A genuine broker, which ends with the test.
struct Mosquitto(Child);

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn over_mqtt() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let (_, port) = address.rsplit_once(':').unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("mosquitto.conf");
    let lines = format!("listener {port} 127.0.0.1\nallow_anonymous true\nlog_type error\n");
    fs::write(&settings, lines).unwrap();
    // Debian keeps it where users do not look.
    let started = ["mosquitto", "/usr/sbin/mosquitto"]
        .into_iter()
        .map(|program| Command::new(program).arg("-c").arg(&settings).spawn())
        .find(|started| !matches!(started, Err(error) if error.kind() == ErrorKind::NotFound));
    let Some(started) = started else {
        println!("skipped: mosquitto is not installed (apt-get install mosquitto)");
        return;
    };
    let mut broker = Mosquitto(started.unwrap());
    while TcpStream::connect(&address).is_err() {
        let ended = broker.0.try_wait().unwrap();
        assert_eq!(ended, None, "mosquitto has ended");
        thread::sleep(Duration::from_millis(20));
    }
    ends_well(env!("CARGO_BIN_EXE_mqtt"), &[&address]);
}
