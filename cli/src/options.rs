//! The command line.

mod simulate;
mod text;
#[cfg(unix)]
mod try_job;

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{OsStringValueParser, RangedU64ValueParser, TypedValueParser};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use fedlink::nvflare::OnReplaced;
use fedlink_host::kit::{Suite, Transport};
use fedlink_host::{ProxySetting, check_path};

pub use simulate::{SimulateOptions, Span};
#[cfg(unix)]
pub use try_job::{ErrorsOption, TryOptions};

use crate::bounds::{DEFAULT_PORT, MAX_DAYS, WSS_PORT};
use crate::training::{MAX_PADDING, MAX_SITES};

/// Federated learning across sites that keep their data.
#[derive(Debug, Parser)]
#[command(name = "fedlink", version, after_help = text::OVERVIEW)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a whole federation on this machine and show what it withstands
    #[command(long_about = text::DEMO, after_long_help = text::DEMO_EXAMPLES)]
    Demo(DemoOptions),
    /// Make a project: certificates and a kit for the coordinator and for each site
    #[command(long_about = text::PROVISION, after_long_help = text::PROVISION_EXAMPLES)]
    Provision(ProvisionOptions),
    /// Run the coordinator of a project
    #[command(long_about = text::SERVE, after_long_help = text::SERVE_EXAMPLES)]
    Serve(ServeOptions),
    /// Run a site of a project
    #[command(long_about = text::JOIN, after_long_help = text::JOIN_EXAMPLES)]
    Join(JoinOptions),
    /// Look at a kit and at the way to its coordinator, and say what to do
    #[command(long_about = text::CHECK, after_long_help = text::CHECK_EXAMPLES)]
    Check(CheckOptions),
    /// Train in rounds with a program of your own, in a whole federation on this machine
    #[cfg(unix)]
    #[command(long_about = text::TRY, after_long_help = text::TRY_EXAMPLES)]
    Try(TryOptions),
    /// Put a million clients before one server, in simulated time
    #[command(long_about = text::SIMULATE, after_long_help = text::SIMULATE_EXAMPLES)]
    Simulate(SimulateOptions),
}

/// Options of `fedlink demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoOptions {
    /// How many sites take part
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = sites())]
    pub sites: usize,
    /// How many rounds they train; one is too short for all faults
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = demo_rounds())]
    pub rounds: u32,
    /// Pads each model to this many MiB, to show large transfers
    #[arg(long, value_name = "MIB", default_value_t = 4, value_parser = demo_payload())]
    pub payload_mib: usize,
    /// Decides which wines each site gets, and which are held out
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// What carries messages
    #[arg(long, value_enum, default_value_t = DemoTransport::Tls)]
    pub transport: DemoTransport,
    /// How messages are protected
    #[arg(long, value_enum, default_value_t = SuiteOption::Sealed)]
    pub suite: SuiteOption,
    /// Show nothing but the result
    #[arg(long)]
    pub quiet: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What changes a project that stands instead of making one.
const CHANGES: [&str; 3] = ["add_sites", "renew", "revoke"];

/// Options of `fedlink provision`.
#[derive(Clone, Debug, Args)]
pub struct ProvisionOptions {
    /// The project's name
    #[arg(long, value_name = "NAME", required_unless_present_any = CHANGES)]
    pub project: Option<String>,
    /// The coordinator's name
    #[arg(
        long,
        value_name = "NAME",
        default_value = "coordinator",
        conflicts_with_all = CHANGES
    )]
    pub server: String,
    /// Where sites reach the coordinator
    #[arg(
        long = "host",
        value_name = "HOST[:PORT]",
        value_delimiter = ',',
        required_unless_present_any = CHANGES,
        conflicts_with_all = CHANGES,
        help = format!("Where sites reach the coordinator; the port is {DEFAULT_PORT} unless given, {WSS_PORT} with wss")
    )]
    pub hosts: Vec<String>,
    /// The sites' names, separated by commas
    #[arg(
        long,
        visible_alias = "site",
        value_name = "NAMES",
        value_delimiter = ',',
        required_unless_present_any = CHANGES,
        conflicts_with_all = CHANGES
    )]
    pub sites: Vec<String>,
    /// The folder of the project; that of a new one is named after it unless given
    #[arg(long, value_name = "FOLDER", value_parser = path())]
    pub out: Option<PathBuf>,
    /// Adds sites to the project in the folder given with --out, and changes nothing else
    #[arg(
        long = "add-site",
        value_name = "NAMES",
        value_delimiter = ',',
        requires = "out",
        conflicts_with_all = ["project", "days", "suite", "transport", "trusted_path"]
    )]
    pub add_sites: Vec<String>,
    /// Makes new certificates for sites, or for the coordinator, of the project in the folder
    /// given with --out; keys stay, but for those of revoked certificates
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        requires = "out",
        conflicts_with_all = ["project", "days", "suite", "transport", "trusted_path", "add_sites"]
    )]
    pub renew: Vec<String>,
    /// Revokes all certificates of sites of the project in the folder given with --out: its
    /// coordinator refuses them from then on
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        requires = "out",
        conflicts_with_all = ["project", "days", "suite", "transport", "trusted_path", "add_sites", "renew"]
    )]
    pub revoke: Vec<String>,
    /// How many days the certificates count
    #[arg(long, default_value_t = 365, value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MAX_DAYS)))]
    pub days: u32,
    /// How messages are protected
    #[arg(long, value_enum, default_value_t = SuiteOption::Sealed)]
    pub suite: SuiteOption,
    /// What carries messages
    #[arg(long, value_enum, default_value_t = TransportOption::Tls)]
    pub transport: TransportOption,
    /// Lets suite bearer go over tcp: nobody else can read what is on the way
    #[arg(long)]
    pub trusted_path: bool,
}

/// Options of `fedlink serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeOptions {
    /// The folder of the coordinator's kit
    #[arg(long, value_name = "FOLDER", default_value = ".", value_parser = path())]
    pub kit: PathBuf,
    /// How many sites to wait for before the first round
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = sites())]
    pub sites: usize,
    /// How many rounds the sites train
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = rounds())]
    pub rounds: u32,
    /// How many results a round needs at least; one of each site that was waited for unless
    /// given
    #[arg(long, value_name = "N", value_parser = sites())]
    pub min_results: Option<usize>,
    /// Ends a round so long after it began, as in 90s or 10m, without the sites that have not
    /// answered, as soon as it has --min-results; it waits for all that are there unless given
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<Span>,
    /// Pads each model to this many MiB
    #[arg(long, value_name = "MIB", default_value_t = 0, value_parser = payload())]
    pub payload_mib: usize,
    /// Decides which wines are held out; the same for all who take part
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Where the stored records are damaged or gone: keeps the damaged file under another
    /// name, and goes on with the records before the damage
    #[arg(long)]
    pub repair: bool,
    /// Show nothing but warnings and the result
    #[arg(long)]
    pub quiet: bool,
}

/// Options of `fedlink join`.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("training").args(["share", "exec", "once"]).required(true)))]
pub struct JoinOptions {
    /// The folder of the site's kit
    #[arg(long, value_name = "FOLDER", default_value = ".", value_parser = path())]
    pub kit: PathBuf,
    /// Takes part in a federation of NVIDIA FLARE 2.5 to 2.9 instead: the folder that
    /// `nvflare provision` made for the site
    #[arg(long, value_name = "FOLDER", conflicts_with = "kit", value_parser = path())]
    pub nvflare: Option<PathBuf>,
    /// Which share of the wines this site holds: the Kth of N
    #[arg(long, value_name = "K/N", conflicts_with = "exec")]
    pub share: Option<ShareOption>,
    /// Decides how the wines are shared out; the same for all who take part
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// With --nvflare: where results are kept until the server has them, so that none is
    /// lost with this process; in memory unless given
    #[arg(long, value_name = "FOLDER", requires = "nvflare", value_parser = path())]
    pub state: Option<PathBuf>,
    /// Where the stored records are damaged or gone: keeps the damaged file under another
    /// name, and goes on with the records before the damage
    #[arg(long)]
    pub repair: bool,
    /// With --nvflare: what to do when another process registers under this site's name
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        default_value_t = ReplacedOption::Stop,
        requires = "nvflare"
    )]
    pub on_replaced: ReplacedOption,
    /// With --nvflare: register, wait for the answer to one heartbeat, and leave
    #[arg(long, requires = "nvflare", conflicts_with_all = ["exec", "share"])]
    pub once: bool,
    /// The HTTP proxy on the way to the coordinator, as http://NAME:PASSWORD@HOST:PORT, or none;
    /// as the kit says unless given, else as HTTPS_PROXY, ALL_PROXY and NO_PROXY say
    #[arg(long, value_name = "URL")]
    pub proxy: Option<ProxySetting>,
    /// Show nothing but warnings
    #[arg(long)]
    pub quiet: bool,
    /// With --nvflare: print what happens as JSON, one object a line
    #[arg(long, requires = "nvflare")]
    pub json: bool,
    /// With --nvflare: trains with this program; those of its arguments that begin with a
    /// hyphen follow after --
    #[arg(long, value_names = ["PROGRAM", "ARGUMENTS"], num_args = 1.., requires = "nvflare")]
    pub exec: Option<Vec<OsString>>,
    /// With --nvflare: executors of jobs, by their classes, whose work the training does; those
    /// of the Client API need not be named
    #[arg(
        long,
        value_name = "CLASSES",
        value_delimiter = ',',
        requires = "nvflare"
    )]
    pub accept_executors: Vec<String>,
    /// With --nvflare: filters of jobs, by their classes, that the training applies itself
    #[arg(
        long,
        value_name = "CLASSES",
        value_delimiter = ',',
        requires = "nvflare"
    )]
    pub accept_filters: Vec<String>,
    /// With --nvflare: arrays may go back with another type or shape than they came with
    #[arg(long, requires = "nvflare")]
    pub accept_changed_arrays: bool,
    /// With --exec: more arguments of the program
    #[arg(
        last = true,
        value_name = "ARGUMENTS",
        requires = "exec",
        conflicts_with_all = ["share", "once"]
    )]
    pub arguments: Vec<OsString>,
}

/// Options of `fedlink check`.
#[derive(Clone, Debug, Args)]
pub struct CheckOptions {
    /// The folder of the kit, a site's or a coordinator's
    #[arg(long, value_name = "FOLDER", default_value = ".", value_parser = path())]
    pub kit: PathBuf,
    /// Checks the way into a federation of NVIDIA FLARE 2.5 to 2.9 instead: the folder that
    /// `nvflare provision` made for the site
    #[arg(long, value_name = "FOLDER", conflicts_with = "kit", value_parser = path())]
    pub nvflare: Option<PathBuf>,
    /// Also registers and leaves, which ends a process of the same name that is at work; a
    /// server of NVIDIA FLARE also counts it as a site that it waits for
    #[arg(long)]
    pub register: bool,
    /// With --nvflare: the folder where `fedlink join` is to keep results, to be looked at
    #[arg(long, value_name = "FOLDER", requires = "nvflare", value_parser = path())]
    pub state: Option<PathBuf>,
    /// The HTTP proxy on the way to the coordinator, as for `fedlink join`
    #[arg(long, value_name = "URL")]
    pub proxy: Option<ProxySetting>,
    /// Print what was found as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What a site does when another process has taken its name, as an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReplacedOption {
    /// Says so and ends
    Stop,
    /// Registers again, which replaces the other in turn
    TakeOver,
}

/// How messages are protected, as an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SuiteOption {
    /// Encrypted and authenticated from end to end
    Sealed,
    /// With a token, for carriers that protect messages themselves
    Bearer,
    /// Not at all, for trusted rigs
    Plain,
}

/// What carries messages between machines, as an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TransportOption {
    /// TLS 1.3, with certificates on both sides
    Tls,
    /// TCP as it is
    Tcp,
    /// TLS 1.3 as for tls, with WebSocket within: where HTTP over TLS passes and nothing else
    Wss,
}

/// What carries messages within the demo, as an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DemoTransport {
    /// TLS 1.3 over the loopback interface
    Tls,
    /// TCP over the loopback interface
    Tcp,
    /// Channels within the process
    Memory,
}

/// A share of the data, as an option: `3/8` is the third of eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareOption {
    /// Which share, from 0.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

impl FromStr for ShareOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let remedy =
            || format!("write K/N, the Kth of N shares, with N up to {MAX_SITES}, as in 3/8");
        let (number, of) = text.split_once('/').ok_or_else(remedy)?;
        let [number, of] = [number, of].map(|part| part.parse::<usize>());
        match (number, of) {
            (Ok(number), Ok(of)) if (1..=of).contains(&number) && of <= MAX_SITES => Ok(Self {
                index: number - 1,
                of,
            }),
            _ => Err(remedy()),
        }
    }
}

impl From<SuiteOption> for Suite {
    fn from(option: SuiteOption) -> Self {
        match option {
            SuiteOption::Sealed => Self::Sealed,
            SuiteOption::Bearer => Self::Bearer,
            SuiteOption::Plain => Self::Plain,
        }
    }
}

impl From<ReplacedOption> for OnReplaced {
    fn from(option: ReplacedOption) -> Self {
        match option {
            ReplacedOption::Stop => Self::Stop,
            ReplacedOption::TakeOver => Self::TakeOver,
        }
    }
}

impl From<TransportOption> for Transport {
    fn from(option: TransportOption) -> Self {
        match option {
            TransportOption::Tls => Self::Tls,
            TransportOption::Tcp => Self::Tcp,
            TransportOption::Wss => Self::Wss,
        }
    }
}

/// A path that means what it says without a shell.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|text| {
        let path = PathBuf::from(text);
        check_path(&path).map(|()| path)
    })
}

fn sites() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=MAX_SITES as u64)
}

/// With fewer rounds not every fault has its place.
fn demo_rounds() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(2..=u64::from(MAX_ROUNDS))
}

fn rounds() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(1..=u64::from(MAX_ROUNDS))
}

fn payload() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(0..=(MAX_PADDING >> 20) as u64)
}

/// A model must be large enough to be cut off in the middle.
fn demo_payload() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=(MAX_PADDING >> 20) as u64)
}

/// The most rounds: the model is as good as it gets long before.
const MAX_ROUNDS: u32 = 10_000;

#[cfg(test)]
mod tests;
