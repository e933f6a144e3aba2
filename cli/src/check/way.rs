//! Checks the way to a server: its name, TCP, TLS, and what it answers.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fedlink::identity::{Chain, ChainError, Identity, RsaChain, pem};
use fedlink::{Binding, ClientAction, ClientConfig, Suspicion};
use fedlink_host::tls::{self, ClientTls};
use fedlink_host::tokio::{ClientHost, Dial, Greeting, greet};
use fedlink_host::{Address, Host, Proxies, Proxy, explain, unix_time};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::dates::until;
use super::report::Line;
use crate::federation::purpose;
use crate::join::why;
use crate::parties;

/// How long a name may take to be resolved, TCP to connect, and TLS to agree.
pub(super) const STEP: Duration = Duration::from_secs(5);

/// How long a server may take to prove itself, and to register this site.
const ANSWER: Duration = Duration::from_secs(5);

/// How far clocks may be apart, in seconds: far less than what a certificate or a session
/// needs, and more than a network delays.
const MAX_APART: u64 = 60;

/// The other end, and how to talk to it.
pub(super) struct Way {
    /// What it is called.
    pub(super) who: &'static str,
    pub(super) tls: Option<ClientTls>,
    /// Those on the way to it.
    pub(super) proxies: Proxies,
    pub(super) config: Arc<ClientConfig>,
    pub(super) identity: Identity,
    /// Whether to register, although that replaces a process of the same name.
    pub(super) register: bool,
}

impl Way {
    /// Goes as far as it can.
    pub(super) async fn check(&self, text: &str, mut dial: Box<dyn Dial>) -> Vec<Line> {
        let mut lines = Vec::new();
        let stream = match self.connect(text, &mut lines).await {
            Some(stream) => stream,
            None => return lines,
        };
        if let Some((config, name)) = self.tls.clone() {
            let handshake = tls::server_certificates(stream, config, name);
            match timeout(STEP, handshake)
                .await
                .unwrap_or_else(|_| Err(silent()))
            {
                Ok(certificates) => {
                    lines.push(Line::right(
                        "tls",
                        format!("{text} shows a certificate that this kit trusts"),
                    ));
                    lines.push(dates(certificates));
                }
                Err(error) => {
                    lines.push(self.no_tls(text, &error));
                    return lines;
                }
            }
        }
        let answer = self.answer(&mut *dial).await;
        let goes_on = answer.is_right() && self.register;
        lines.push(answer);
        if goes_on {
            lines.extend(self.registration(dial).await);
        }
        lines
    }

    async fn connect(&self, text: &str, lines: &mut Vec<Line>) -> Option<TcpStream> {
        let address: Address = match text.parse() {
            Ok(address) => address,
            Err(error) => {
                lines.push(Line::wrong("name", format!("{error}"), None));
                return None;
            }
        };
        let said = parties::proxy_on_the_way(&self.proxies, self.tls.is_some(), text);
        if self.tls.is_some() {
            match self.proxies.to(&address) {
                Ok(Some(proxy)) => return self.tunnel(text, &proxy, lines).await,
                Ok(None) => {}
                Err(error) => {
                    lines.push(Line::wrong(PROXY, error.to_string(), None));
                    return None;
                }
            }
        }
        lines.extend(said.map(|said| Line::right(PROXY, said)));
        let found = match &address.host {
            Host::Ip(ip) => vec![SocketAddr::new(*ip, address.port)],
            Host::Name(name) => {
                let found = timeout(STEP, lookup_host((name.as_str(), address.port))).await;
                match found.unwrap_or_else(|_| Err(silent())) {
                    Ok(found) => {
                        let found: Vec<SocketAddr> = found.collect();
                        let shown: Vec<String> =
                            found.iter().map(|it| it.ip().to_string()).collect();
                        lines.push(Line::right(
                            "name",
                            format!("{name} is {}", shown.join(", ")),
                        ));
                        found
                    }
                    Err(error) => {
                        let remedy = "correct the name in the kit, or the DNS of this machine";
                        lines.push(Line::wrong(
                            "name",
                            format!("{name} has no address ({error})"),
                            Some(remedy),
                        ));
                        return None;
                    }
                }
            }
        };
        let mut failed = silent();
        for at in found {
            let begun = Instant::now();
            match timeout(STEP, TcpStream::connect(at))
                .await
                .unwrap_or_else(|_| Err(silent()))
            {
                Ok(stream) => {
                    let time = 1000.0 * begun.elapsed().as_secs_f64();
                    lines.push(Line::right(
                        "tcp",
                        format!("{text} takes connections, after {time:.1} ms"),
                    ));
                    return Some(stream);
                }
                Err(error) => failed = error,
            }
        }
        let remedy = match failed.kind() {
            ErrorKind::ConnectionRefused => format!(
                "start the {} there, or correct the address in the kit",
                self.who
            ),
            _ => "see that no firewall is between, and that the address in the kit is right"
                .to_owned(),
        };
        lines.push(Line::wrong(
            "tcp",
            format!("{text} cannot be reached ({failed})"),
            Some(&remedy),
        ));
        None
    }

    /// The proxy resolves the name and connects.
    async fn tunnel(&self, text: &str, proxy: &Proxy, lines: &mut Vec<Line>) -> Option<TcpStream> {
        let begun = Instant::now();
        match self.proxies.connect(text).await {
            Ok(stream) => {
                let time = 1000.0 * begun.elapsed().as_secs_f64();
                lines.push(Line::right(
                    PROXY,
                    format!("{proxy} gets through to {text}, after {time:.1} ms"),
                ));
                Some(stream)
            }
            Err(error) => {
                lines.push(Line::wrong(PROXY, error.to_string(), None));
                None
            }
        }
    }

    fn no_tls(&self, text: &str, error: &io::Error) -> Line {
        let remedy = match error.kind() {
            ErrorKind::InvalidData if error.to_string().contains(';') => None,
            _ => Some(format!(
                "see whether it is the {} that listens there, and whether both kits have the same transport",
                self.who
            )),
        };
        Line::wrong("tls", format!("{text}: {error}"), remedy.as_deref())
    }

    async fn answer(&self, dial: &mut dyn Dial) -> Line {
        let (check, who) = ("answer", self.who);
        let greeted = async {
            let connection = dial.dial().await?;
            greet(
                connection,
                Arc::clone(&self.config),
                self.identity.clone(),
                ANSWER,
            )
            .await
        };
        let greeting = match greeted.await {
            Ok(greeting) => greeting,
            Err(error) => {
                let remedy = format!(
                    "see whether it is the {who} of this kit that listens there, and whether both kits have the same transport"
                );
                let has_remedy = error.to_string().contains(';');
                return Line::wrong(
                    check,
                    format!("the conversation failed: {error}"),
                    Some(remedy.as_str()).filter(|_| !has_remedy),
                );
            }
        };
        let elsewhere = format!(
            "see whether it is the {who} of this kit that listens there, and whether both kits have the same transport"
        );
        match greeting {
            Greeting::Proven => Line::right(
                check,
                match self.register {
                    true => format!("the {who} proves itself"),
                    false => format!(
                        "the {who} proves itself; whether it takes this site and its project shows --register, which replaces a process of the same name"
                    ),
                },
            ),
            Greeting::Unasked => Line::right(
                check,
                format!("the {who} says hello; this kit asks for no proof"),
            ),
            Greeting::Suspect(
                suspicion @ Suspicion::Chain(
                    ChainError::Expired { .. } | ChainError::NotYetValid { .. },
                ),
            ) => Line::wrong(check, explain(&suspicion), None),
            Greeting::Suspect(suspicion) => Line::wrong(
                check,
                explain(&suspicion),
                Some(
                    "take the kit of the project that this address belongs to, or correct the address",
                ),
            ),
            Greeting::Later(reason) => Line::wrong(
                check,
                why(reason, who),
                Some("correct that, or try again later"),
            ),
            Greeting::Rejected(rejection) => Line::wrong(
                check,
                format!(
                    "the {who} refuses this site ({}): {}",
                    rejection.reason, rejection.message
                ),
                Some("ask whoever runs the project why"),
            ),
            Greeting::Nonsense(dropped) => Line::wrong(
                check,
                format!("what answers makes no sense: {dropped}"),
                Some(&elsewhere),
            ),
            Greeting::Closed => Line::wrong(
                check,
                "what listens there closes the connection",
                Some(&elsewhere),
            ),
            _ => Line::wrong(
                check,
                format!("there is no answer within {} s", ANSWER.as_secs()),
                Some(&elsewhere),
            ),
        }
    }

    /// Registers and leaves.
    async fn registration(&self, dial: Box<dyn Dial>) -> Vec<Line> {
        let host = ClientHost::new(Arc::clone(&self.config), self.identity.clone(), dial);
        let registered = timeout(ANSWER, register(host)).await;
        let late = || format!("not registered within {} s", ANSWER.as_secs());
        let (check, who) = ("registration", self.who);
        let issued = match registered.unwrap_or_else(|_| Err(late())) {
            Ok(issued) => issued,
            Err(why) => {
                let remedy = "check the address in the kit, and ask whoever runs the project whether it still takes this site";
                return vec![Line::wrong(check, why, Some(remedy))];
            }
        };
        let mut lines = vec![Line::right(check, format!("the {who} takes this site"))];
        // NVIDIA FLARE tells no time.
        if matches!(self.config.binding, Binding::Native) {
            let (apart, side) = match issued.checked_sub(unix_time()) {
                Some(behind) => (behind, "behind"),
                None => (unix_time().saturating_sub(issued), "ahead of"),
            };
            let found = format!("this machine's is {apart} s {side} the {who}'s");
            lines.push(match apart <= MAX_APART {
                true => Line::right(CLOCKS, found),
                false => Line::wrong(
                    CLOCKS,
                    found,
                    Some("have both machines set their clocks by NTP"),
                ),
            });
        }
        lines
    }
}

/// The check of the proxy.
pub(super) const PROXY: &str = "proxy";

const CLOCKS: &str = "both clocks";

/// Registers, says goodbye, and returns the server's time.
async fn register(host: ClientHost) -> Result<u64, String> {
    let (client, mut events) = host.start().map_err(|error| error.to_string())?;
    let told = client.call(|client, _| client.set_site_info(purpose::checks()));
    let told = told.await.map_err(|error| error.to_string())?;
    told.map_err(|error| error.to_string())?;
    client.register().await.map_err(|error| error.to_string())?;
    while let Some(action) = events.next().await {
        match action {
            ClientAction::SetAuth(auth) => {
                // The answer to a goodbye is not needed.
                let _ = client.quit("it was only checked").await;
                while events.next().await.is_some() {}
                return Ok(auth.issued);
            }
            ClientAction::Rejected(rejection) => {
                return Err(format!(
                    "refused ({}): {}",
                    rejection.reason, rejection.message
                ));
            }
            ClientAction::Suspect { suspicion, .. } => return Err(suspicion.to_string()),
            _ => {}
        }
    }
    Err("the client has stopped".to_owned())
}

fn silent() -> io::Error {
    io::Error::new(
        ErrorKind::TimedOut,
        format!("no answer within {} s", STEP.as_secs()),
    )
}

/// How long the server's certificates count.
fn dates(certificates: Vec<Vec<u8>>) -> Line {
    let text: String = certificates
        .iter()
        .map(|der| pem::encode("CERTIFICATE", der))
        .collect();
    let ends = Chain::from_der(certificates)
        .map(|chain| chain.not_after())
        .or_else(|_| RsaChain::from_pem(text.as_bytes()).map(|chain| Some(chain.not_after())));
    match ends {
        Ok(Some(end)) => until("their dates", end, "whoever runs the server has it renewed"),
        Ok(None) => Line::right("their dates", "there is no certificate"),
        Err(error) => Line::wrong("their dates", error.to_string(), None),
    }
}
