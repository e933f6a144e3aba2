//! Sessions without a handshake, for benchmarks with many stand-ins.

use alloc::boxed::Box;
use alloc::string::String;

use zeroize::Zeroizing;

use super::Server;
use crate::Instant;
use crate::identity::Name;
use crate::link::ChannelBinding;
use crate::link::native::seal::Key;
use crate::link::native::server::Registrant;
use crate::link::native::session::{End, Protection, Seal, Session};
use crate::link::native::transcript::SessionKeys;
use crate::message::{InstanceId, Properties, Token};
use crate::stand_in::StandIn;
use crate::suite::Suite;

impl Server {
    /// Gives `client` a session as if it had proved itself, and the stand-in that has its
    /// other end. The session stands after the first message that comes in it.
    ///
    /// It takes what any client takes, but for a reference to the certificates of issuers.
    pub fn unproven_session(&mut self, now: Instant, client: Name, suite: Suite) -> StandIn {
        self.advance(now);
        let id = self.sessions.draw_id(&mut self.entropy);
        let (ours, theirs) = match suite {
            Suite::Plain => (Protection::Plain, Protection::Plain),
            Suite::Bearer => {
                let token = Token::from_bytes(self.entropy.bytes());
                (Protection::Bearer(token.clone()), Protection::Bearer(token))
            }
            Suite::Sealed => {
                let keys = SessionKeys {
                    to_server: Key::new(Zeroizing::new(self.entropy.bytes())),
                    to_client: Key::new(Zeroizing::new(self.entropy.bytes())),
                };
                let seal = |end| Protection::Sealed(Box::new(Seal::new(keys.clone(), end)));
                (seal(End::Server), seal(End::Client))
            }
        };
        let entered = Registrant {
            client,
            instance: InstanceId::from_bytes(self.entropy.uuid()),
            bound_to: ChannelBinding::None,
            address: String::new(),
            site_info: Properties::new(),
            context: Properties::new(),
            certificates: Box::default(),
            not_after: None,
            dates_checked: true,
            lifetime: self.config.session_lifetime.as_secs(),
        };
        self.enter(entered, Session::new(id, ours));
        StandIn::inside(id, theirs)
    }
}
