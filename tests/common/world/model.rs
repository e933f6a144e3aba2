//! What the hosts of a federation may see, whatever happens between them: sets and
//! counters, no timers and no wire.
//!
//! Every action that a machine asks of its host and every command that a host gives is
//! told to the model, which panics when it is not allowed. After every step what the
//! machines say of themselves is compared with it.

mod server;
mod silence;
mod site;
pub mod work;

use fedlink::{Client, ClientAction, Instant, Server, ServerAction};

pub use server::ServerModel;
pub use site::{Said, SiteModel};
pub use work::Work;

use super::plan::Plan;
use super::tally::Tally;

pub struct Model {
    /// Jobs, tasks and results as they are.
    pub work: Work,
    pub server: ServerModel,
    sites: Vec<SiteModel>,
    /// Hosts take outputs at once, so nothing that they see is out of date.
    prompt: bool,
}

impl Model {
    pub fn new(plan: &Plan) -> Self {
        Self {
            work: Work::default(),
            server: ServerModel::new(&plan.server),
            sites: plan.sites.iter().map(|_| SiteModel::new(plan)).collect(),
            prompt: plan.habits.lazy == 0,
        }
    }

    /// The host of a site is asked for something.
    pub fn site_sees(&mut self, site: usize, action: &ClientAction) {
        self.sites[site].sees(action, self.prompt);
    }

    /// The host of a site gives a command.
    pub fn site_says(&mut self, site: usize, said: Said) {
        self.sites[site].says(said);
    }

    /// The process of a site starts.
    pub fn site_starts(&mut self, site: usize) {
        self.sites[site].starts();
    }

    /// The process of a site has died.
    pub fn site_dies(&mut self, site: usize) {
        self.sites[site].dies();
        self.work.somebody_dies();
    }

    /// A site has lost its storage, too.
    pub fn site_forgets(&mut self, site: usize) {
        self.sites[site].forgets();
        self.work.forgotten_by(site);
    }

    /// The process of the server has died.
    pub fn server_dies(&mut self) {
        self.work.somebody_dies();
    }

    /// The host of the server is asked for something.
    pub fn server_sees(&mut self, action: &ServerAction, at: Instant) {
        self.server.sees(action, at);
    }

    /// A client says of itself what the model says of it. All its outputs are taken.
    pub fn compare_site(&self, tally: &mut Tally, site: usize, client: &Client, stored: bool) {
        self.sites[site].compare(tally, site, client, stored);
    }

    /// So does the server.
    pub fn compare_server(&self, tally: &mut Tally, server: &Server) {
        self.server.compare(tally, server, &self.work);
    }
}
