//! `fedlink provision`: makes a project, which is a root certificate and a kit for the
//! coordinator and for each site.
//!
//! ```text
//! wine/
//! ├── authority/            stays with whoever runs the project
//! │   ├── issued/           all certificates that were made, by name
//! │   ├── project.toml      the plan, for adding sites later
//! │   ├── root-key.pem      whoever holds it can make sites
//! │   └── root.pem
//! ├── server/               goes to the coordinator
//! │   ├── README.txt
//! │   ├── certificate.pem
//! │   ├── fedlink.toml
//! │   ├── key.pem
//! │   └── roots.pem
//! └── sites/
//!     └── site-1/           goes to the site of that name, with the same files in it
//! ```
//!
//! Nothing is overwritten, but for a certificate that is renewed. A folder is written under another name and renamed when it is
//! complete, so that there is never half a project or half a kit.

mod authority;
mod error;
mod folder;
mod plan;
mod renew;

pub(crate) use authority::project_of_root;
pub use error::ProvisionError;
pub use plan::Plan;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fedlink_host::kit::{
    FILE_NAME, Kit, ServerConfig, ServerLimits, ServerTimeouts, SiteConfig, SiteTimeouts, Transport,
};
use fedlink_host::{Address, check_path};

use crate::options::ProvisionOptions;

use authority::{Authority, Purpose};
use folder::Staged;
use renew::Standing;

/// A project that stands on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// The folder of the project.
    pub folder: PathBuf,
    /// The kit of the coordinator.
    pub server: PathBuf,
    /// The kits of the sites that were just made, by name.
    pub sites: BTreeMap<String, PathBuf>,
}

/// Does what the options ask for, and says what to do next.
///
/// # Errors
///
/// Those of [`make`] and [`add`].
pub fn run(options: &ProvisionOptions) -> Result<String, ProvisionError> {
    let name = options.project.clone().unwrap_or_default();
    let folder = match &options.out {
        Some(folder) => folder.clone(),
        None => folder_of(&name)?,
    };
    if !options.add_sites.is_empty() {
        return Ok(add(&folder, &options.add_sites)?.next_steps());
    }
    if !options.renew.is_empty() {
        return renew(&folder, &options.renew);
    }
    if !options.revoke.is_empty() {
        return revoke(&folder, &options.revoke);
    }
    let plan = Plan {
        project: name,
        server: options.server.clone(),
        hosts: options.hosts.clone(),
        days: options.days,
        suite: options.suite.into(),
        transport: options.transport.into(),
        trusted_path: options.trusted_path,
    };
    let project = make(&folder, &plan, &options.sites)?;
    Ok(format!(
        "The project is in {}. Keep {} to yourself: it makes sites.\n\
         To the machine of the coordinator:\n  {}\n{}",
        folder.display(),
        folder.join("authority").display(),
        project.server.display(),
        project.next_steps(),
    ))
}

/// The folder that a project gets of itself: one of its name, here.
fn folder_of(project: &str) -> Result<PathBuf, ProvisionError> {
    let folder = PathBuf::from(project);
    let is_one_name = folder.file_name().is_some_and(|name| name == project);
    match is_one_name && check_path(&folder).is_ok() {
        true => Ok(folder),
        false => Err(ProvisionError::NoFolder(folder)),
    }
}

/// Makes a project in `folder`, which must be empty or not exist, with a kit for the
/// coordinator and for each of `sites`.
///
/// # Errors
///
/// A plan that cannot be carried out, a folder that is in use, or what the system says.
/// Nothing is left behind then.
pub fn make(folder: &Path, plan: &Plan, sites: &[String]) -> Result<Project, ProvisionError> {
    let hosts = plan.check()?;
    plan.check_sites(sites)?;
    let authority = Authority::new(&plan.project)?;
    let staged = Staged::begin(folder)?;

    let private = staged.subfolder("authority")?;
    folder::write_private(&private.join(ROOT_KEY), &authority.key_pem())?;
    folder::write(&private.join(ROOT), authority.certificate_pem())?;
    folder::write_toml(&private.join(PLAN), PLAN_HEADER, plan)?;

    let server = staged.subfolder("server")?;
    let leaf = authority.issue(&plan.server, Purpose::Server(&hosts), plan.days)?;
    renew::record(&private, &plan.server, &leaf.certificate_pem())?;
    leaf.write(&server, &authority)?;
    folder::write_toml(
        &server.join(FILE_NAME),
        KIT_HEADER,
        &plan.server_config(&hosts),
    )?;
    folder::write(&server.join("README.txt"), &server_readme(plan))?;
    Kit::<ServerConfig>::load(&server)?;

    let kits = staged.subfolder("sites")?;
    for site in sites {
        let kit = folder::create(kits.join(site))?;
        write_site(&kit, plan, &hosts, &authority, &private, site)?;
    }
    staged.finish(folder)?;
    Ok(Project::at(folder, sites))
}

/// Adds a kit for each of `sites` to the project in `folder`.
///
/// # Errors
///
/// A folder that is no project, a site that is already in it, or what the system says.
/// The sites before the one that fails have then been added.
pub fn add(folder: &Path, sites: &[String]) -> Result<Project, ProvisionError> {
    let private = folder.join("authority");
    let Standing {
        plan,
        hosts,
        authority,
        ..
    } = open(folder)?;
    plan.check_sites(sites)?;
    for site in sites {
        let kit = folder.join("sites").join(site);
        if folder::is_there(&kit.join(FILE_NAME))? {
            return Err(ProvisionError::SiteExists(site.clone()));
        }
        let staged = Staged::begin(&kit)?;
        write_site(staged.folder(), &plan, &hosts, &authority, &private, site)?;
        staged.finish(&kit)?;
    }
    Ok(Project::at(folder, sites))
}

/// Makes new certificates for these names of the project in `folder`. Says what to do with them.
///
/// # Errors
///
/// A folder that is no project, a name without a certificate in it, or what the system says.
/// The names before the one that fails have then been renewed.
pub fn renew(folder: &Path, names: &[String]) -> Result<String, ProvisionError> {
    let standing = open(folder)?;
    let said: String = each_once(names)?
        .into_iter()
        .map(|name| standing.renew(name))
        .collect::<Result<_, _>>()?;
    Ok(said + RENEWED)
}

/// Revokes the certificates of these sites of the project in `folder`. Says what to do next.
///
/// # Errors
///
/// As [`renew`], and when the coordinator is among them.
pub fn revoke(folder: &Path, names: &[String]) -> Result<String, ProvisionError> {
    let standing = open(folder)?;
    let names = each_once(names)?;
    names
        .into_iter()
        .map(|name| standing.revoke(name))
        .collect()
}

/// These names, each once and in order.
fn each_once(names: &[String]) -> Result<Vec<&str>, ProvisionError> {
    let mut once: Vec<&str> = Vec::new();
    for name in names {
        plan::check_name(name)?;
        if !once.contains(&name.as_str()) {
            once.push(name);
        }
    }
    Ok(once)
}

/// The project in `folder`.
fn open(folder: &Path) -> Result<Standing<'_>, ProvisionError> {
    let private = folder.join("authority");
    if !folder::is_there(&private.join(PLAN))? {
        return Err(ProvisionError::NoProject(folder.to_owned()));
    }
    let plan: Plan = folder::read_toml(&private.join(PLAN))?;
    let hosts = plan.check()?;
    let key = folder::read(&private.join(ROOT_KEY))?;
    let root = folder::read(&private.join(ROOT))?;
    let authority = Authority::open(&plan.project, &key, root)?;
    Ok(Standing {
        folder,
        plan,
        hosts,
        authority,
    })
}

impl Project {
    fn next_steps(&self) -> String {
        let sites: String = self
            .sites
            .values()
            .map(|site| format!("  {}\n", site.display()))
            .collect();
        format!(
            "To the machines of the sites, each its own:\n{sites}README.txt in each of them says how to start it.\n"
        )
    }

    fn at(folder: &Path, sites: &[String]) -> Self {
        let kits = folder.join("sites");
        Self {
            folder: folder.to_owned(),
            server: folder.join("server"),
            sites: sites
                .iter()
                .map(|site| (site.clone(), kits.join(site)))
                .collect(),
        }
    }
}

const PLAN: &str = "project.toml";
const ROOT: &str = "root.pem";
const ROOT_KEY: &str = "root-key.pem";

const RENEWED: &str = "\
In the folder of its kit, wherever that is, each file takes the place of the one before. A
process that runs takes it up within seconds, and what it works on goes on.
";

const PLAN_HEADER: &str = "# The plan of this project, for `fedlink provision --add-site`.\n\n";
const KIT_HEADER: &str = "# Read by fedlink at its start. README.txt says how to start it.\n\n";

const SERVER_README: &str = "\
This folder is the kit of the coordinator, NAME.

Start it with    fedlink serve --kit .
Stop it with     Ctrl-C

key.pem is the coordinator's own: keep it secret and do not copy it. If it gets into
other hands, whoever has it can pretend to be the coordinator.
fedlink.toml says where the coordinator listens. What must outlive the process goes to
the folder state, which is made when it is needed.

";

const SECTIONS_README: &str = "\
fedlink.toml may also hold what stands here, in sections at its end. Whatever it does not set
is as written here; fedlink must be started again to take changes up.

";

const WEBSOCKET_README: &str = "\
Sites reach it by WebSocket at /fedlink, within TLS, in which both ends show certificates of
this project. A reverse proxy in front of it has to pass TLS through as it is, by its name
(nginx: ssl_preread; HAProxy: mode tcp): behind one that ends TLS no site is known.

";

fn server_readme(plan: &Plan) -> String {
    let websocket = match plan.transport {
        Transport::Wss => WEBSOCKET_README,
        Transport::Tls | Transport::Tcp => "",
    };
    let start = SERVER_README.replace("NAME", &plan.server);
    let sections = [ServerTimeouts::describe(), ServerLimits::describe()].join("\n");
    [&start, websocket, SECTIONS_README, &sections].concat()
}

const SITE_README: &str = "\
This folder is the kit of the site NAME.

Start it with    fedlink join --kit .
Stop it with     Ctrl-C

key.pem is the site's own: keep it secret and do not copy it. If it gets into other
hands, tell whoever runs the project, so that the site's certificate is revoked.
fedlink.toml says where the coordinator is. What must outlive the process goes to the
folder state, which is made when it is needed.

";

fn site_readme(site: &str) -> String {
    let start = SITE_README.replace("NAME", site);
    [&start, SECTIONS_README, &SiteTimeouts::describe()].concat()
}

fn write_site(
    folder: &Path,
    plan: &Plan,
    hosts: &[Address],
    authority: &Authority,
    private: &Path,
    site: &str,
) -> Result<(), ProvisionError> {
    let leaf = authority.issue(site, Purpose::Site, plan.days)?;
    renew::record(private, site, &leaf.certificate_pem())?;
    leaf.write(folder, authority)?;
    folder::write_toml(
        &folder.join(FILE_NAME),
        KIT_HEADER,
        &plan.site_config(hosts, site),
    )?;
    folder::write(&folder.join("README.txt"), &site_readme(site))?;
    // Not given out unless it works: the root's files may have been mixed up.
    Kit::<SiteConfig>::load(folder)?;
    Ok(())
}

#[cfg(test)]
mod tests;
