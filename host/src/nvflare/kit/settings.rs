//! The settings of a start-up kit: `fed_client.json` and the start script.

use serde::Deserialize;

/// What carries the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// They stand back to back on a TCP connection.
    Tcp,
    /// Each is a message of one gRPC stream.
    Grpc,
    /// Each is a binary message of one WebSocket.
    Http,
}

/// How the carrier is protected (`connection_security`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Security {
    /// TLS, with certificates on both sides.
    Mtls,
    /// TLS, with a certificate of the server alone.
    Tls,
    /// Not at all.
    Clear,
}

/// The settings of a site. What is not read here is for the Python client alone.
#[derive(Debug, Deserialize)]
pub(super) struct FedClient {
    servers: Vec<Server>,
    overseer_agent: Option<OverseerAgent>,
    pub(super) client: Client,
}

#[derive(Debug, Deserialize)]
pub(super) struct Server {
    /// The project's name.
    pub(super) name: String,
    pub(super) service: Service,
    /// None in kits of NVFlare 2.5.
    identity: Option<String>,
    /// The common name of the certificate, where it is not the identity.
    auth_identity: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Service {
    /// None in kits of NVFlare 2.7 and before.
    target: Option<String>,
    scheme: Option<String>,
}

/// What says where the server is in kits of NVFlare 2.7 and before.
#[derive(Debug, Deserialize)]
struct OverseerAgent {
    #[serde(default)]
    args: OverseerArguments,
}

#[derive(Debug, Default, Deserialize)]
struct OverseerArguments {
    /// `HOST:PORT:PORT`; the second port is for administrators.
    sp_end_point: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Client {
    #[serde(default = "Client::certificate")]
    pub(super) ssl_cert: String,
    #[serde(default = "Client::key")]
    pub(super) ssl_private_key: String,
    #[serde(default = "Client::root")]
    pub(super) ssl_root_cert: String,
    connection_security: Option<Security>,
}

impl Client {
    fn certificate() -> String {
        "client.crt".into()
    }

    fn key() -> String {
        "client.key".into()
    }

    fn root() -> String {
        "rootCA.pem".into()
    }
}

/// A field, and what is wrong with it.
pub(super) type Fault = (&'static str, String);

impl FedClient {
    /// Reads the file. An error says where it is wrong.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        // A byte order mark is no part of JSON, and some editors write one.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// The server. There has been one since NVFlare 2.5.
    pub(super) fn server(&self) -> Result<&Server, Fault> {
        match &self.servers[..] {
            [server] => Ok(server),
            servers => {
                let problem = format!("there are {} servers: leave one", servers.len());
                Err(("servers", problem))
            }
        }
    }

    /// Where the server is, as `host:port`, and the field that says so.
    pub(super) fn target(&self, server: &Server) -> Result<(&'static str, String), Fault> {
        const TARGET: &str = "servers[0].service.target";
        const SP_END_POINT: &str = "overseer_agent.args.sp_end_point";
        if let Some(target) = &server.service.target {
            return Ok((TARGET, target.clone()));
        }
        let agent = self.overseer_agent.as_ref();
        let Some(point) = agent.and_then(|agent| agent.args.sp_end_point.as_deref()) else {
            let problem = format!("it is missing, and {SP_END_POINT} too");
            return Err((TARGET, problem));
        };
        match point.rsplit_once(':') {
            Some((target, _)) => Ok((SP_END_POINT, target.to_owned())),
            None => Err((SP_END_POINT, format!("{point:?} is not HOST:PORT:PORT"))),
        }
    }

    /// How to protect the carrier. Where nothing is said, a secure site uses both
    /// certificates, as the Python client does.
    pub(super) fn security(&self, secure: bool) -> Security {
        let default = if secure {
            Security::Mtls
        } else {
            Security::Clear
        };
        self.client.connection_security.unwrap_or(default)
    }
}

impl Server {
    /// The common name of the server's certificate. Kits of NVFlare 2.5 leave it out: there it
    /// is the host of the address, as for the Python client.
    pub(super) fn identity<'a>(&'a self, host: &'a str) -> Result<&'a str, Fault> {
        let named = self.auth_identity.as_deref().or(self.identity.as_deref());
        match named {
            Some(name) => Ok(name),
            None if self.service.target.is_none() => Ok(host),
            None => Err(("servers[0].identity", "it is missing".to_owned())),
        }
    }

    /// What carries the frames; gRPC where nothing is said, as with the Python client.
    pub(super) fn scheme(&self) -> Result<Scheme, Fault> {
        match self.service.scheme.as_deref() {
            Some("tcp" | "stcp") => Ok(Scheme::Tcp),
            None | Some("grpc" | "grpcs") => Ok(Scheme::Grpc),
            Some("http" | "https") => Ok(Scheme::Http),
            Some(other) => Err((
                "servers[0].service.scheme",
                format!(
                    "fedlink does not speak {other:?}: have the project provisioned with \
                     scheme http, tcp or grpc"
                ),
            )),
        }
    }
}

/// What the start script gives the Python client on its command line.
#[derive(Debug, PartialEq)]
pub(super) struct StartScript {
    /// `uid=`: the site's name.
    pub(super) name: Option<String>,
    /// `secure_train=`, which is false where nothing is said.
    pub(super) secure: bool,
}

impl StartScript {
    /// Finds the arguments after `--set`, as a shell would see them: without remarks and
    /// quotes. The script is not run, so an argument that is made when it runs is none.
    pub(super) fn parse(script: &[u8]) -> Self {
        let script = String::from_utf8_lossy(script).replace("\\\n", " ");
        let words = script.lines().flat_map(|line| {
            let words = shlex::Shlex::new(line).skip_while(|word| word != "--set");
            words.collect::<Vec<_>>()
        });
        let mut arguments = Self {
            name: None,
            secure: false,
        };
        for word in words.filter(|word| !word.contains(['$', '`'])) {
            match word.split_once('=') {
                Some(("uid", name)) if !name.is_empty() => {
                    arguments.name.get_or_insert(name.to_owned());
                }
                Some(("secure_train", secure)) => {
                    arguments.secure = secure.eq_ignore_ascii_case("true");
                }
                _ => {}
            }
        }
        arguments
    }
}
