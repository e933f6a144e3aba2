//! The binding of a session to the connection that carries it.

use alloc::vec::Vec;

use crate::wire::native::{BindingKind, lp};

/// A value that both ends of the carrier know and that is never sent (RFC 9266).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum ChannelBinding {
    #[default]
    None,
    TlsExporter([u8; 32]),
}

impl ChannelBinding {
    pub(crate) fn kind(&self) -> BindingKind {
        match self {
            Self::None => BindingKind::None,
            Self::TlsExporter(_) => BindingKind::TlsExporter,
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::None => lp(&mut out, b"none"),
            Self::TlsExporter(value) => {
                lp(&mut out, b"tls-exporter");
                lp(&mut out, value);
            }
        }
        out
    }
}
