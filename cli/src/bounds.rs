//! Bounds and defaults of a project, shared by the command line and the plan of a project.

/// The port of a coordinator whose host comes without one.
pub const DEFAULT_PORT: u16 = 8443;

/// The same with transport `wss`: what firewalls let out for HTTP over TLS.
pub const WSS_PORT: u16 = 443;

/// The longest that a certificate of a coordinator or a site may count, in days. The root
/// counts for twice as long.
pub const MAX_DAYS: u32 = 3650;

/// The longest name of a coordinator or a site that this program gives out, in bytes. They
/// are names of folders and of hosts too; a part of a host's name cannot be longer.
pub const MAX_NAME: usize = 63;
