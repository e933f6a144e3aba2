//! The kits that can be checked, and what of them lies on this machine.

use std::sync::Arc;
use std::time::Duration;

use fedlink::identity::RsaChain;
use fedlink_host::kit::{KitWarning, ServerKit, SiteKit, Suite, Transport};
use fedlink_host::nvflare::{Kit as NvflareKit, KitWarning as NvflareWarning, Security};
use fedlink_host::tokio::{Dial, Greeting, TcpDial, greet, listen};
use fedlink_host::{Address, Host, tls, unix_time};
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::report::{Line, Report};
use super::way::{STEP, Way};
use crate::parties;

const KIT: &str = "kit";
const KEY: &str = "key";
const DATES: &str = "own dates";

/// A site of fedlink's own.
pub(super) async fn site(kit: &SiteKit, register: bool) -> Report {
    let config = &kit.config;
    let mut lines = vec![Line::right(
        KIT,
        format!(
            "{} of {}, for {}",
            config.name, config.project, config.server.name
        ),
    )];
    lines.extend(own(&kit.warnings, kit.credentials.chain().not_after()));
    lines.push(suite(config.suite, config.transport));
    let prepared = parties::client_config(kit)
        .and_then(|settings| Ok((settings, parties::identity(kit)?)))
        .and_then(|it| Ok((it, parties::tls(kit)?)));
    let ((settings, identity), tls) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return unusable(lines, &error),
    };
    let way = Way {
        who: "coordinator",
        tls,
        config: Arc::new(settings),
        identity,
        register,
    };
    for address in &config.server.addresses {
        match parties::dial(kit, [address]) {
            Ok(dial) => lines.extend(way.check(address, Box::new(dial)).await),
            Err(error) => return unusable(lines, &error),
        }
    }
    Report::of(lines)
}

/// A site of a federation of NVIDIA FLARE.
pub(super) async fn nvflare(kit: &NvflareKit, register: bool) -> Report {
    let mut lines = vec![Line::right(
        KIT,
        format!("{} of {}, for {}", kit.name, kit.project, kit.server),
    )];
    let chain = kit.credentials.as_ref().map(|it| it.chain_pem());
    let ends = chain
        .and_then(|pem| RsaChain::from_pem(pem).ok())
        .map(|it| it.not_after());
    let mut warnings = kit.warnings.iter();
    let dates = warnings.find(|it| matches!(it, NvflareWarning::Dates { .. }));
    lines.push(certificate(dates, ends));
    lines.push(clock());
    for warning in &kit.warnings {
        match warning {
            NvflareWarning::KeyExposed { .. } => {
                lines.push(Line::wrong(KEY, warning.to_string(), None))
            }
            NvflareWarning::ExpiresSoon { .. } => {
                lines.push(Line::right(DATES, warning.to_string()))
            }
            _ => {}
        }
    }
    lines.push(Line::right(
        "suite",
        match kit.security {
            Security::Mtls => "TLS with both certificates",
            Security::Tls => "TLS with the server's certificate",
            _ => "nothing protects the connection, as the kit says",
        },
    ));
    let way = Way {
        who: "server",
        tls: kit.tls(),
        config: Arc::new(kit.client_config()),
        identity: kit.identity(),
        register,
    };
    match kit.dial() {
        Ok(dial) => lines.extend(way.check(&kit.address, dial).await),
        Err(error) => return unusable(lines, &error),
    }
    Report::of(lines)
}

/// A coordinator: it runs here, or could.
pub(super) async fn coordinator(kit: &ServerKit) -> Report {
    let config = &kit.config;
    let mut lines = vec![Line::right(
        KIT,
        format!("{}, the coordinator of {}", config.name, config.project),
    )];
    lines.extend(own(&kit.warnings, kit.credentials.chain().not_after()));
    lines.push(suite(config.suite, config.transport));
    for address in &config.listen {
        // Its port is let go again at once.
        let line = match listen(std::slice::from_ref(address)).await {
            Ok(_) => Line::right(
                "listen",
                format!("{address} is free: `fedlink serve` can listen there"),
            ),
            Err(error) if error.source.kind() == std::io::ErrorKind::AddrInUse => {
                match is_this(kit, address).await {
                    Ok(()) => Line::right(
                        "listen",
                        format!("the coordinator of this kit listens at {address}"),
                    ),
                    Err(why) => Line::wrong(
                        "listen",
                        format!(
                            "{error}; nothing proves that it is the coordinator of this kit: {why}"
                        ),
                        None,
                    ),
                }
            }
            Err(error) => Line::wrong("listen", error.to_string(), None),
        };
        lines.push(line);
    }
    Report::of(lines)
}

/// Whether the coordinator of this kit listens at `address` of this machine.
async fn is_this(kit: &ServerKit, address: &str) -> Result<(), String> {
    let mut at: Address = address.parse().map_err(|error| format!("{error}"))?;
    if let Host::Ip(ip) = &mut at.host
        && ip.is_unspecified()
    {
        *ip = match ip.is_ipv4() {
            true => std::net::Ipv4Addr::LOCALHOST.into(),
            false => std::net::Ipv6Addr::LOCALHOST.into(),
        };
    }
    if kit.config.transport == Transport::Tcp {
        let config = parties::as_client(kit).map_err(|error| error.to_string())?;
        let identity = parties::identity(kit).map_err(|error| error.to_string())?;
        let greeted = async {
            let connection = TcpDial::new([at.to_string()]).dial().await?;
            greet(connection, Arc::new(config), identity, STEP).await
        };
        return match greeted.await.map_err(|error| error.to_string())? {
            Greeting::Proven => Ok(()),
            Greeting::Suspect(suspicion) => Err(suspicion.to_string()),
            Greeting::Unasked => Err("in suite plain nobody proves who it is".to_owned()),
            _ => Err("it does not prove who it is".to_owned()),
        };
    }
    let own = kit.credentials.certificates().first();
    let config = tls::client_config(&kit.credentials).map_err(|error| error.to_string())?;
    let name = tls::server_name(&kit.config.name).map_err(|error| error.to_string())?;
    let shown = async {
        let stream = TcpStream::connect(at.to_string()).await?;
        tls::server_certificates(stream, config, name).await
    };
    let shown = timeout(STEP, shown)
        .await
        .map_err(|_| "it does not answer".to_owned())?;
    let shown = shown.map_err(|error| error.to_string())?;
    match shown.first().map(Vec::as_slice) == own.map(|it| &**it) {
        true => Ok(()),
        false => Err(
            "its certificate is another one of the same name: restart it with this kit".to_owned(),
        ),
    }
}

/// What there is to say of the own files.
fn own(warnings: &[KitWarning], ends: Option<u64>) -> Vec<Line> {
    let dates = warnings
        .iter()
        .find(|it| matches!(it, KitWarning::Dates { .. }));
    let mut lines = vec![certificate(dates, ends), clock()];
    for warning in warnings {
        match warning {
            KitWarning::KeyExposed { .. } => {
                lines.push(Line::wrong(KEY, warning.to_string(), None))
            }
            KitWarning::ExpiresSoon { .. } => lines.push(Line::right(DATES, warning.to_string())),
            _ => {}
        }
    }
    lines
}

fn certificate(warning: Option<&impl ToString>, ends: Option<u64>) -> Line {
    match (warning, ends) {
        (Some(warning), _) => Line::wrong(DATES, warning.to_string(), None),
        (None, Some(end)) => {
            Line::right(DATES, format!("the certificate counts until {}", date(end)))
        }
        (None, None) => Line::right(DATES, "this kit needs no certificate"),
    }
}

/// The first thing to look at where dates are wrong.
fn clock() -> Line {
    let now = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(unix_time());
    let (hour, minute, second) = now.to_hms();
    Line::right(
        "clock",
        format!(
            "{} {hour:02}:{minute:02}:{second:02} UTC on this machine",
            now.date()
        ),
    )
}

/// The day of a Unix time.
pub(super) fn date(unix_time: u64) -> String {
    let seconds = i64::try_from(unix_time).unwrap_or(i64::MAX);
    match OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(time) => time.date().to_string(),
        Err(_) => "the end of all time".to_owned(),
    }
}

fn suite(suite: Suite, transport: Transport) -> Line {
    let suite = match suite {
        Suite::Sealed => "sealed",
        Suite::Bearer => "bearer",
        Suite::Plain => "plain, which protects nothing",
    };
    let transport = match transport {
        Transport::Tls => "tls",
        Transport::Tcp => "tcp",
    };
    Line::right("suite", format!("{suite}, over {transport}"))
}

fn unusable(mut lines: Vec<Line>, error: &dyn std::error::Error) -> Report {
    lines.push(Line::wrong(KIT, error.to_string(), None));
    Report::of(lines)
}
