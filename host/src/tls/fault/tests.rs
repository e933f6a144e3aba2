use rustls::pki_types::UnixTime;
use rustls::{InvalidMessage, OtherError, PeerIncompatible};

use super::*;

/// Whether only a person at the site can help: if the site's own certificate is valid, if it
/// has expired, and of a server that is not known to be exact.
fn permanent(fault: Fault) -> [bool; 3] {
    let kind = |expired, vague| fault.kind_at_site(expired, vague) == FailureKind::Permanent;
    [kind(false, false), kind(true, false), kind(false, true)]
}

#[test]
fn which_faults_are_for_a_person() {
    for fault in Fault::ALL {
        let expected = match fault {
            Fault::TheirForeign
            | Fault::TheirName
            | Fault::OwnForeign
            | Fault::OwnRevoked
            | Fault::OwnUnusable
            | Fault::OwnMissing => [true, true, true],
            Fault::OwnDates => [false, true, false],
            Fault::OwnRefused => [true, true, false],
            Fault::TheirExpired
            | Fault::TheirNotYetValid
            | Fault::TheirRevoked
            | Fault::TheirUnusable
            | Fault::TheirMissing
            | Fault::Clear
            | Fault::OnlyTls
            | Fault::OtherCarrier
            | Fault::Closed
            | Fault::Other => [false, false, false],
        };
        assert_eq!(permanent(fault), expected, "{fault:?}");
    }
}

#[test]
fn every_alert_is_told_and_only_those_about_certificates_end_a_site() {
    for code in 0..=u8::MAX {
        let alert = AlertDescription::from(code);
        let fault = Fault::of(&Error::AlertReceived(alert));
        let expected = match code {
            45 => Fault::OwnDates,
            48 => Fault::OwnForeign,
            44 => Fault::OwnRevoked,
            43 | 49 | 51 => Fault::OwnUnusable,
            41 | 116 => Fault::OwnMissing,
            42 | 46 => Fault::OwnRefused,
            120 => Fault::OtherCarrier,
            _ => Fault::Other,
        };
        assert_eq!(fault, expected, "{alert:?}");
        let told = io::Error::new(ErrorKind::InvalidData, Error::AlertReceived(alert));
        let told = at_server(told).to_string();
        assert!(told.contains(fault.told_at_server()), "{told}");
    }
}

#[test]
fn what_is_wrong_with_certificates_is_told_apart() {
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1));
    let (not_after, not_before, next_update) = (time, time, time);
    use CertificateError as E;
    for (error, expected) in [
        (E::Expired, Fault::TheirExpired),
        (E::ExpiredContext { time, not_after }, Fault::TheirExpired),
        (E::NotValidYet, Fault::TheirNotYetValid),
        (
            E::NotValidYetContext { time, not_before },
            Fault::TheirNotYetValid,
        ),
        (E::UnknownIssuer, Fault::TheirForeign),
        (E::BadSignature, Fault::TheirForeign),
        (E::NotValidForName, Fault::TheirName),
        (E::Revoked, Fault::TheirRevoked),
        (E::BadEncoding, Fault::TheirUnusable),
        (E::UnhandledCriticalExtension, Fault::TheirUnusable),
        (E::UnknownRevocationStatus, Fault::TheirUnusable),
        (E::ExpiredRevocationList, Fault::TheirUnusable),
        (
            E::ExpiredRevocationListContext { time, next_update },
            Fault::TheirUnusable,
        ),
        (E::InvalidPurpose, Fault::TheirUnusable),
        (E::InvalidOcspResponse, Fault::TheirUnusable),
        (E::ApplicationVerificationFailure, Fault::TheirUnusable),
    ] {
        assert_eq!(Fault::of(&Error::InvalidCertificate(error)), expected);
    }
    let other = Error::Other(OtherError(std::sync::Arc::new(io::Error::other("x"))));
    for (error, expected) in [
        (
            Error::InvalidMessage(InvalidMessage::InvalidContentType),
            Fault::Clear,
        ),
        (Error::NoCertificatesPresented, Fault::TheirMissing),
        (
            Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
            Fault::Other,
        ),
        (Error::NoApplicationProtocol, Fault::OtherCarrier),
        (other, Fault::Other),
    ] {
        assert_eq!(Fault::of(&error), expected, "{error}");
    }
}

#[test]
fn both_ends_are_told_what_helps() {
    for fault in Fault::ALL {
        for told in [fault.remedy_at_site(), fault.told_at_server()] {
            assert!(told.len() > 20 && !told.contains("  "), "{fault:?}: {told}");
        }
    }
    let dated = [
        Fault::TheirExpired,
        Fault::TheirNotYetValid,
        Fault::OwnDates,
    ];
    for fault in dated {
        for told in [fault.remedy_at_site(), fault.told_at_server()] {
            assert!(told.contains("clock"), "{fault:?}: {told}");
        }
    }
}

#[test]
fn records_of_tls_are_no_messages() {
    let error = |start: [u8; 4]| FrameError {
        len: u32::from_be_bytes(start) as usize,
        least: 1,
        limit: 2,
    };
    for start in [[0x15, 3, 3, 0], [0x16, 3, 1, 2]] {
        let told = ConnectionFailure::of(&framing(error(start)));
        assert_eq!(told.fault, Some(Fault::OnlyTls));
        assert_eq!(told.kind, FailureKind::Transient);
    }
    let http = framing(error(*b"HTTP"));
    assert_eq!(ConnectionFailure::of(&http).fault, None);
}
