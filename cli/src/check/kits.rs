//! The checks of each kind of kit: of a site, of a coordinator, and a start-up kit of NVFlare.

use std::sync::Arc;

use fedlink::identity::{Chain, Date, RsaChain};
use fedlink_host::kit::{Config, Kit, KitWarning, ServerKit, SiteKit, Suite, Transport};
use fedlink_host::nvflare::{Kit as NvflareKit, KitWarning as NvflareWarning, Security};
use fedlink_host::tokio::{Dial, Greeting, TcpDial, greet, listen};
use fedlink_host::{Address, Host, tls, unix_time};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::dates::until;
use super::report::{Line, Report};
use super::state::state;
use super::way::{PROXY, STEP, Way};
use crate::certificates::{self, Whose};
use crate::options::CheckOptions;
use crate::parties;
use crate::provision::project_of_root;

const KIT: &str = "kit";
const KEY: &str = "key";
const DATES: &str = "own dates";

/// A site of fedlink's own.
pub(super) async fn site(kit: &SiteKit, options: &CheckOptions) -> Report {
    let config = &kit.config;
    let mut lines = vec![Line::right(
        KIT,
        format!(
            "{} of {}, for {}",
            config.name, config.project, config.server.name
        ),
    )];
    lines.extend(own(kit, Whose::Site));
    lines.push(state(&kit.state, &parties::owner(kit), "fedlink join"));
    lines.push(suite(config.suite, config.transport));
    let prepared = parties::client_config(kit)
        .and_then(|settings| Ok((settings, parties::identity(kit)?)))
        .and_then(|it| Ok((it, parties::tls(kit)?)));
    let ((settings, identity), tls) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return unusable(lines, &error),
    };
    let (option, set) = (options.proxy.as_ref(), config.proxy.as_ref());
    let proxies = match parties::proxies(option, set, tls.is_some(), []) {
        Ok(proxies) => proxies,
        Err(error) => return unusable(lines, &error),
    };
    let way = Way {
        who: "coordinator",
        tls,
        proxies: proxies.clone(),
        config: Arc::new(settings),
        identity,
        register: options.register,
    };
    for address in &config.server.addresses {
        match parties::dial(kit, [address]) {
            Ok(dial) => {
                let dial = dial.proxies(proxies.clone());
                lines.extend(way.check(address, Box::new(dial)).await);
            }
            Err(error) => return unusable(lines, &error),
        }
    }
    Report::of(lines)
}

/// A site of a federation of NVIDIA FLARE.
pub(super) async fn nvflare(kit: &NvflareKit, options: &CheckOptions) -> Report {
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
    lines.push(certificate(
        dates,
        ends,
        "have the project provisioned anew",
    ));
    lines.push(clock());
    let exposed = |it: &&NvflareWarning| matches!(it, NvflareWarning::KeyExposed { .. });
    for warning in kit.warnings.iter().filter(exposed) {
        lines.push(Line::wrong(KEY, warning.to_string(), None));
    }
    if let Some(folder) = &options.state {
        let command = "fedlink join --nvflare";
        lines.push(state(folder, &parties::nvflare_owner(kit), command));
    }
    lines.push(Line::right(
        "suite",
        match kit.security {
            Security::Mtls => "TLS with both certificates",
            Security::Tls => "TLS with the server's certificate",
            _ => "nothing protects the connection, as the kit says",
        },
    ));
    let tls = kit.tls();
    let proxies = match parties::proxies(options.proxy.as_ref(), None, tls.is_some(), []) {
        Ok(proxies) => proxies,
        Err(error) => return unusable(lines, &error),
    };
    let way = Way {
        who: "server",
        tls,
        proxies: proxies.clone(),
        config: Arc::new(kit.client_config()),
        identity: kit.identity(),
        register: options.register,
    };
    match kit.dial_through(proxies) {
        Ok(dial) => lines.extend(way.check(&kit.address, dial).await),
        Err(error) => return unusable(lines, &error),
    }
    Report::of(lines)
}

/// A coordinator: it runs here, or could.
pub(super) async fn coordinator(kit: &ServerKit, options: &CheckOptions) -> Report {
    let config = &kit.config;
    let mut lines = vec![Line::right(
        KIT,
        format!("{}, the coordinator of {}", config.name, config.project),
    )];
    lines.extend(own(kit, Whose::Coordinator));
    lines.push(state(&kit.state, &parties::owner(kit), "fedlink serve"));
    lines.push(suite(config.suite, config.transport));
    if options.proxy.is_some() {
        let found = "a coordinator connects to nobody: --proxy does not count";
        lines.push(Line::right(PROXY, found));
    }
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
    let tls = parties::client_tls(kit.config.transport, &kit.credentials, &kit.config.name);
    let Some((config, name)) = tls.map_err(|error| error.to_string())? else {
        return Err("it is without TLS".to_owned());
    };
    let shown = async {
        let stream = TcpStream::connect(at.to_string()).await?;
        tls::proven_certificates(stream, config, name).await
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
fn own<C: Config>(kit: &Kit<C>, whose: Whose) -> Vec<Line> {
    let (warnings, ends) = (kit.warnings.iter(), kit.credentials.chain().not_after());
    let mut dates = warnings
        .clone()
        .filter(|it| matches!(it, KitWarning::Dates { .. }));
    let renew = certificates::renew(kit.config.name(), whose);
    let mut lines = vec![certificate(dates.next(), ends, &renew), clock()];
    for warning in warnings.filter(|it| matches!(it, KitWarning::KeyExposed { .. })) {
        lines.push(Line::wrong(KEY, warning.to_string(), None));
    }
    lines.extend(project(kit));
    lines
}

/// Doubts about the project that the settings name, which only the other end can settle.
fn project<C: Config>(kit: &Kit<C>) -> Option<Line> {
    let said = kit.config.project();
    let roots = kit.credentials.root_certificates().iter();
    let names = roots.filter_map(|root| Chain::from_der(vec![root.to_vec()]).ok()?.common_name());
    let mut projects: Vec<String> = names
        .filter_map(|name| project_of_root(name.as_str()).map(str::to_owned))
        .collect();
    projects.dedup();
    let [project] = &projects[..] else {
        return None;
    };
    (project != said).then(|| {
        Line::warning(
            "project",
            format!("fedlink.toml says {said}, and the root of this kit was made for {project}"),
            Some("correct `project` in fedlink.toml, unless the kits of all others say the same: a coordinator takes sites of its own project alone"),
        )
    })
}

fn certificate(warning: Option<&impl ToString>, ends: Option<u64>, renew: &str) -> Line {
    match (warning, ends) {
        (Some(warning), end) => {
            let has_ended = end.is_some_and(|end| end < unix_time());
            let remedy = has_ended.then_some(renew);
            Line::wrong(DATES, warning.to_string(), remedy)
        }
        (None, Some(end)) => until(DATES, end, renew),
        (None, None) => Line::right(DATES, "this kit needs no certificate"),
    }
}

/// The first thing to look at where dates are wrong.
fn clock() -> Line {
    let now = Date(unix_time());
    Line::right("clock", format!("{now} on this machine"))
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
        Transport::Wss => "wss",
    };
    Line::right("suite", format!("{suite}, over {transport}"))
}

fn unusable(mut lines: Vec<Line>, error: &dyn std::error::Error) -> Report {
    lines.push(Line::wrong(KIT, error.to_string(), None));
    Report::of(lines)
}
