use super::*;

fn crowd(connections: usize, per_address: usize, per_ipv6_network: usize) -> Crowd {
    Crowd::new(&Limits {
        connections,
        connections_per_address: per_address,
        connections_per_ipv6_network: per_ipv6_network,
        ..Limits::default()
    })
}

fn admit(crowd: &Crowd, address: &str) -> Place {
    crowd.admit(Some(address.parse().unwrap())).unwrap()
}

/// Whether each of them still stands.
fn stand(places: &[Place]) -> Vec<bool> {
    let stands = |place: &Place| {
        let standing = place.crowd.present().standing(place.number);
        standing != Some(Standing::Leaving)
    };
    places.iter().map(stands).collect()
}

fn is_empty(crowd: &Crowd) -> bool {
    let present = crowd.present();
    let strangers = present.strangers.is_empty() && present.by_network.is_empty();
    strangers && present.places.is_empty() && present.leaving == 0
}

#[test]
fn the_oldest_stranger_of_an_address_makes_room_and_places_come_back() {
    let crowd = crowd(100, 2, 100);
    let places = ["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"];
    let places = places.map(|address| admit(&crowd, address));
    assert_eq!(stand(&places), [false, true, true, true]);
    let mapped = ["::ffff:192.0.2.1", "192.0.2.1"].map(|address| admit(&crowd, address));
    assert_eq!(stand(&places), [false, false, true, true]);
    drop((places, mapped));
    assert!(is_empty(&crowd));
}

#[test]
fn networks_of_ipv6_are_counted_at_64_bits_and_at_56() {
    let crowd = crowd(1000, 10, 40);
    let places: Vec<_> = (0..400)
        .map(|number| admit(&crowd, &format!("2001:db8:0:12{:02x}::1", number % 256)))
        .collect();
    let standing = stand(&places).into_iter().filter(|stands| *stands).count();
    assert_eq!(standing, 40);
    let other = admit(&crowd, "2001:db8:0:1300::1");
    assert_eq!(stand(&[other]), [true]);
}

#[test]
fn sites_that_have_registered_make_no_room_and_take_none_of_strangers() {
    let crowd = crowd(5, 2, 2);
    let sites: Vec<_> = (0..4)
        .map(|_| {
            let place = admit(&crowd, "192.0.2.1");
            place.answered();
            place.set_registered(true);
            place
        })
        .collect();
    let strangers: Vec<_> = (0..5).map(|_| admit(&crowd, "192.0.2.1")).collect();
    assert_eq!(stand(&sites), [true; 4]);
    assert_eq!(stand(&strangers), [false, false, false, false, true]);
    drop(strangers);
    let fifth = admit(&crowd, "192.0.2.1");
    fifth.set_registered(true);
    assert!(crowd.admit(None).unwrap_err().contains("registered"));
    // Sessions that are over make strangers again.
    sites.iter().for_each(|site| site.set_registered(false));
    assert_eq!(stand(&sites), [false, false, true, true]);
    let place = crowd.admit(None).unwrap();
    drop((sites, fifth, place));
    assert!(is_empty(&crowd));
}

#[test]
fn neither_kind_of_stranger_takes_the_half_of_the_other() {
    let crowd = crowd(1000, 10, 10);
    let answered: Vec<_> = (0..10)
        .map(|_| admit(&crowd, "192.0.2.1"))
        .inspect(Place::answered)
        .collect();
    let silent: Vec<_> = (0..100).map(|_| admit(&crowd, "192.0.2.1")).collect();
    assert_eq!(stand(&answered).iter().filter(|it| **it).count(), 5);
    assert_eq!(stand(&silent)[95..], [true; 5]);

    // Who arrives among strangers that were all answered stays until it can be.
    let crowd = self::crowd(1000, 10, 10);
    let flood = |count: usize| -> Vec<_> {
        let places = (0..count).map(|_| admit(&crowd, "192.0.2.1"));
        places.inspect(Place::answered).collect()
    };
    let before = flood(10);
    let honest = admit(&crowd, "192.0.2.1");
    let after = flood(100);
    assert_eq!(stand(&[honest]), [true]);
    drop((before, after));
}

#[test]
fn who_breaks_off_has_a_place_until_it_is_gone() {
    let crowd = crowd(3, 100, 100);
    let places: Vec<_> = (0..6).map(|_| crowd.admit(None).unwrap()).collect();
    assert!(crowd.admit(None).is_err());
    drop(places);
    assert!(crowd.admit(None).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_told_once_a_minute() {
    let mut notice = Notice::default();
    assert_eq!(notice.tell(0), None);
    assert_eq!(notice.tell(2), Some(2));
    let told = (0..1000).filter(|_| notice.tell(1).is_some()).count();
    assert_eq!(told, 0);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(notice.tell(1), Some(1001));
}
