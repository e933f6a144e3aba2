//! The purpose of a registration that is not to work, told to the coordinator in the site
//! information.

use fedlink::Joined;
use fedlink::message::Properties;

const PURPOSE: &str = "fedlink.purpose";
const CHECK: &str = "check";

/// The site information of who registers to see whether it can, and leaves.
pub(crate) fn checks() -> Properties {
    Properties::new().with(PURPOSE, CHECK)
}

/// Whether this site says that it is here for that alone.
pub(crate) fn is_check(joined: &Joined) -> bool {
    joined.site_info.get(PURPOSE) == Some(CHECK)
}
