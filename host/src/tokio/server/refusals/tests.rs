use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error};
use tokio::time::sleep;

use super::*;
use crate::tls::fault::at_server;

fn refused(error: Error) -> io::Error {
    at_server(io::Error::new(io::ErrorKind::InvalidData, error))
}

fn expired() -> io::Error {
    refused(Error::InvalidCertificate(CertificateError::Expired))
}

fn address(last: u32) -> Option<IpAddr> {
    Some(IpAddr::V4((0x0a00_0000 + last).into()))
}

/// The lines that are told while `happens`.
async fn told(happens: impl AsyncFnOnce(&Refusals)) -> Vec<String> {
    let refusals = Arc::new(Refusals::default());
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (telling, told) = (Arc::clone(&refusals), Arc::clone(&lines));
    let task = tokio::spawn(async move {
        telling.tell(|line| told.lock().unwrap().push(line)).await;
    });
    happens(&refusals).await;
    sleep(2 * LINE_INTERVAL).await;
    task.abort();
    lines.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn an_address_is_told_of_once_for_each_reason() {
    let lines = told(async |refusals: &Refusals| {
        for _ in 0..100 {
            refusals.note(address(7), &expired());
            sleep(Duration::from_secs(5)).await;
        }
        let foreign = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        refusals.note(address(7), &refused(foreign));
    })
    .await;
    let [expired, foreign] = &lines[..] else {
        panic!("{lines:#?}");
    };
    assert!(
        expired.starts_with(
            "a connection from 10.0.0.7 was refused: the site's certificate has expired: renew it"
        ),
        "{expired}"
    );
    assert!(
        foreign.contains("10.0.0.7") && foreign.contains("another root"),
        "{foreign}"
    );
}

#[tokio::test(start_paused = true)]
async fn two_sites_at_once_are_both_told_of() {
    let lines = told(async |refusals: &Refusals| {
        refusals.note(address(1), &expired());
        sleep(Duration::from_secs(1)).await;
        refusals.note(address(2), &expired());
        refusals.note(address(2), &expired());
        refusals.note(address(1), &expired());
    })
    .await;
    let [first, second] = &lines[..] else {
        panic!("{lines:#?}");
    };
    assert!(first.contains("a connection from 10.0.0.1 was"), "{first}");
    assert!(
        second.contains("3 connections, from 10.0.0.2, were"),
        "{second}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_one_line_a_minute_and_bounded() {
    let mut memory = 0;
    let lines = told(async |refusals: &Refusals| {
        for number in 0..60_000 {
            refusals.note(address(number), &expired());
            // A minute has 6,000 of them.
            sleep(Duration::from_millis(10)).await;
        }
        let reasons = refusals.reasons();
        memory = reasons
            .iter()
            .map(|(_, it)| it.told.len() + it.waiting.len())
            .sum();
    })
    .await;
    assert!((10..=12).contains(&lines.len()), "{} lines", lines.len());
    assert!(
        lines[1].contains("connections, from 10.0.0.1, ")
            && lines[1].contains(" and others, were refused"),
        "{}",
        lines[1]
    );
    assert!(memory <= MAX_TOLD + MAX_NAMED, "{memory} addresses");
}

#[tokio::test(start_paused = true)]
async fn who_is_still_refused_after_an_hour_is_told_of_again_with_a_count() {
    let lines = told(async |refusals: &Refusals| {
        for _ in 0..=60 {
            refusals.note(address(7), &expired());
            sleep(Duration::from_secs(60)).await;
        }
    })
    .await;
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines[1].contains("60 connections, from 10.0.0.7, "),
        "{}",
        lines[1]
    );
}

#[tokio::test(start_paused = true)]
async fn what_tls_has_nothing_against_is_not_told() {
    let lines = told(async |refusals: &Refusals| {
        refusals.note(address(1), &io::ErrorKind::UnexpectedEof.into());
        refusals.note(address(1), &io::Error::other("gone"));
    })
    .await;
    assert!(lines.is_empty(), "{lines:#?}");
    let alert = refused(Error::AlertReceived(AlertDescription::UnknownCA));
    assert!(ConnectionFailure::of(&alert).fault.is_some());
}

fn register(refusals: &Refusals, address: Option<IpAddr>, name: &str) {
    let who = Who {
        address,
        name: Some(Name::new(name).unwrap()),
    };
    let why = Why::Registration(Some(RejectReason::WrongProject));
    refusals.note_for(why, who, format!("no project of {name}"));
}

#[tokio::test(start_paused = true)]
async fn registrations_are_told_of_with_the_name_and_what_it_was_told() {
    let lines = told(async |refusals: &Refusals| {
        for name in ["mosel", "mosel", "nahe", "nahe", "mosel"] {
            register(refusals, address(7), name);
            sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    let remedy = "give it a kit of this project, or correct `project` in its fedlink.toml";
    assert_eq!(
        lines,
        [
            format!(
                "a registration of mosel at 10.0.0.7 (no project of mosel) was refused: {remedy}"
            ),
            format!(
                "4 registrations, of nahe at 10.0.0.7 (no project of nahe), were refused: {remedy}"
            )
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_names_is_one_line_a_minute_and_bounded() {
    let mut memory = 0;
    let lines = told(async |refusals: &Refusals| {
        for number in 0..60_000 {
            register(refusals, address(7), &format!("site-{number}"));
            sleep(Duration::from_millis(10)).await;
        }
        let reasons = refusals.reasons();
        memory = reasons
            .iter()
            .map(|(_, it)| it.told.len() + it.waiting.len())
            .sum();
    })
    .await;
    assert!((10..=12).contains(&lines.len()), "{} lines", lines.len());
    assert!(
        lines[1].contains(" and others, were refused"),
        "{}",
        lines[1]
    );
    assert!(memory <= MAX_TOLD + MAX_NAMED, "{memory} names");
}
