//! The least that a client is: `peers-client KIT` registers, says so, and stays until its
//! input ends.

use std::io::{Read, stdin};
use std::path::Path;
use std::time::Duration;

use fedlink::ClientAction;
use fedlink_host::kit::SiteKit;
use fedlink_peers::{Failure, client};

fn main() -> Result<(), Failure> {
    let kit = std::env::args().nth(1).ok_or("usage: peers-client KIT")?;
    let mut host = client(&SiteKit::load(Path::new(&kit))?)?;
    host.call(|client, now| client.register(now))?;
    loop {
        match host.next_action(Duration::from_secs(10))? {
            Some(ClientAction::SetAuth(_)) => break,
            Some(ClientAction::Retry { reason, .. }) => return Err(format!("{reason:?}").into()),
            Some(_) => {}
            None => return Err("no answer".into()),
        }
    }
    println!("{{\"registered\": true}}");
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
