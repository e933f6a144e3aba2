use fedlink::FailureKind;
use tokio::io::duplex;
use tokio::net::TcpListener;

use super::*;

const SECRET: &str = "http://fred:s3cret@";

fn setting(text: &str) -> ProxySetting {
    text.to_owned().into()
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn env(variables: &[(&str, &str)]) -> Proxies {
    Proxies::from_variables(|name| {
        let found = variables.iter().find(|(it, _)| *it == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

/// Where the proxy to `to` is, if there is one, and where that was said.
fn proxy(proxies: &Proxies, to: &str) -> Option<String> {
    let proxy = proxies.to(&address(to)).unwrap();
    proxy.map(|proxy| proxy.to_string())
}

#[test]
fn the_environment_is_read_as_curl_reads_it() {
    for (variables, shown) in [
        (&[][..], None),
        (
            &[("HTTPS_PROXY", "p:1")][..],
            Some("http://p:1 (HTTPS_PROXY)"),
        ),
        (&[("HTTPS_PROXY", "p")], Some("http://p:1080 (HTTPS_PROXY)")),
        (
            &[("HTTPS_PROXY", "p:1"), ("https_proxy", "q:2")],
            Some("http://q:2 (https_proxy)"),
        ),
        (
            &[("HTTPS_PROXY", "p:1"), ("https_proxy", "")],
            Some("http://p:1 (HTTPS_PROXY)"),
        ),
        (
            &[("ALL_PROXY", "p:1"), ("HTTPS_PROXY", "q:2")],
            Some("http://q:2 (HTTPS_PROXY)"),
        ),
        (&[("ALL_PROXY", "p:1")], Some("http://p:1 (ALL_PROXY)")),
        (&[("HTTP_PROXY", "p:1"), ("http_proxy", "p:1")], None),
        (
            &[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "fl.example.org")],
            None,
        ),
        (
            &[
                ("HTTPS_PROXY", "p:1"),
                ("NO_PROXY", "fl.example.org"),
                ("no_proxy", "other"),
            ],
            Some("http://p:1 (HTTPS_PROXY)"),
        ),
    ] {
        let found = proxy(&env(variables), "fl.example.org:443");
        assert_eq!(found.as_deref(), shown, "{variables:?}");
    }
}

#[test]
fn what_no_proxy_names_is_reached_without() {
    for (list, inside, outside) in [
        ("*", &["a.example:1", "192.0.2.7:1", "[::1]:9"][..], &[][..]),
        ("a, *", &["b.example:1"], &[]),
        ("", &[], &["a.example:1"]),
        (
            "example.org",
            &["example.org:1", "Fl.Example.Org:443", "a.b.example.org:1"],
            &["anexample.org:1", "example.org.uk:1", "192.0.2.7:1"],
        ),
        (
            ".example.org",
            &["example.org:1", "fl.example.org:1"],
            &["anexample.org:1"],
        ),
        (
            "*.EXAMPLE.org.",
            &["fl.example.org:1"],
            &["anexample.org:1"],
        ),
        (
            "fl.example.org:443",
            &["fl.example.org:443"],
            &["fl.example.org:8443"],
        ),
        ("*:443", &["a.example:443", "[::1]:443"], &["a.example:80"]),
        ("192.0.2.7", &["192.0.2.7:1"], &["192.0.2.70:1"]),
        ("192.0.2.7:99", &["192.0.2.7:99"], &["192.0.2.7:98"]),
        ("::ffff:192.0.2.7", &["192.0.2.7:1"], &["[::1]:1"]),
        (
            "10.0.0.0/8 2001:db8::/32",
            &["10.9.9.9:1", "[2001:db8:1::9]:1"],
            &["11.0.0.1:1", "[2001:db9::1]:1"],
        ),
        ("::1", &["[::1]:1"], &["[::2]:1"]),
        ("[::1]", &["[::1]:1"], &["[::2]:1"]),
        ("[::1]:443", &["[::1]:443"], &["[::1]:444"]),
        (
            ",, .,:,10.0.0.0/99,a:b,[",
            &[],
            &["a.example:1", "10.0.0.1:1"],
        ),
    ] {
        let proxies = env(&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", list)]);
        for (addresses, exempt) in [(inside, true), (outside, false)] {
            for address in addresses {
                let none = proxy(&proxies, address).is_none();
                assert_eq!(none, exempt, "{list:?}, {address}");
            }
        }
    }
}

#[test]
fn a_setting_counts_whatever_the_environment_says() {
    for (text, shown) in [
        ("none", None),
        (" None ", None),
        ("p", Some("http://p:1080 (--proxy)")),
        ("http://p:3128", Some("http://p:3128 (--proxy)")),
        ("HTTP://p:3128/", Some("http://p:3128 (--proxy)")),
        ("http://u:w@p:3128", Some("http://p:3128 (--proxy)")),
        ("u:w@w@[::1]:9", Some("http://[::1]:9 (--proxy)")),
        ("http://@p:1", Some("http://p:1 (--proxy)")),
    ] {
        let proxies = Proxies::of(&setting(text), "--proxy").unwrap();
        assert_eq!(proxy(&proxies, "a:1").as_deref(), shown, "{text}");
    }
}

#[test]
fn what_cannot_be_used_is_told_without_what_it_holds() {
    for (text, told) in [
        ("socks5://s3cret:s3cret@p:1", "SOCKS is not spoken"),
        ("socks5h://p:1", "SOCKS is not spoken"),
        ("https://s3cret@p:1", "over TLS"),
        ("ftp://p:1", "http://HOST:PORT"),
        ("http://fred:s3cret/s3cret@p:1", "percent form"),
        ("http://fred:s3cret#@p:1", "percent form"),
        ("http://p:1/s3cret", "what follows the port"),
        ("http://fred:s3cret@p:s3cret", "the port"),
        ("http://fred:s3cret", "the port"),
        ("http://s3cret p:1", "space"),
        ("http://s3cret:1%0d%0aX@p:1", "control characters"),
        ("http://s3cret%ff@p:1", "UTF-8"),
        ("http://s3%3acret:x@p:1", "colon"),
        ("http://0.0.0.0:1", "all interfaces"),
        ("http://", "host"),
        (&"s3cret".repeat(9999), "8,192 bytes"),
    ] {
        let setting = setting(text);
        let error = Proxies::of(&setting, "ORIGIN").unwrap_err().to_string();
        assert!(error.starts_with("ORIGIN names no proxy"), "{error}");
        assert!(error.contains(told), "{text}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
        assert!(!format!("{setting:?}").contains("s3cret"));
    }
    // In the environment it may be for other programs: only what would use it is refused.
    let proxies = env(&[("ALL_PROXY", "socks5://p:1"), ("NO_PROXY", "a.example")]);
    assert_eq!(proxies.to(&address("a.example:1")).unwrap().map(drop), None);
    proxies.to(&address("b.example:1")).unwrap_err();
}

#[test]
fn the_request_says_where_to_and_who_calls() {
    let request_of = |text: &str, to: &str| {
        let proxy = setting(text).read("it").unwrap();
        let shown = format!("{proxy} {proxy:?}");
        assert!(
            !shown.contains("sesame") && !shown.contains("QWx"),
            "{shown}"
        );
        request(&proxy, &address(to)).as_str().to_owned()
    };
    assert_eq!(
        request_of("p:1", "[2001:db8::1]:443"),
        "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n"
    );
    // The example of RFC 7617.
    assert_eq!(
        request_of("http://Aladdin:open%20sesame@p:1", "fl.example.org:443"),
        "CONNECT fl.example.org:443 HTTP/1.1\r\nHost: fl.example.org:443\r\n\
         Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
    );
}

/// What is told of a proxy that answers like this and closes the connection, over tokio and
/// without.
async fn told(answer: Vec<u8>, credentials: &str) -> [String; 2] {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            let _ = stream.write_all(&answer).await;
        }
    });
    let proxies = Proxies::of(&setting(&format!("{credentials}{at}")), "ORIGIN").unwrap();
    let on_tokio = proxies.connect("fl.example.org:443").await.map(drop);
    let blocking = tokio::task::spawn_blocking(move || {
        let connect = |at: &str| std::net::TcpStream::connect(at);
        let connected = proxies.connect_blocking("fl.example.org:443", connect);
        connected.map(drop)
    });
    let both = [on_tokio, blocking.await.unwrap()];
    serving.await.unwrap();
    both.map(|connected| {
        let Err(error) = connected else {
            return "connected".to_owned();
        };
        let failure = ConnectionFailure::of(&error);
        assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
        let text = failure.text;
        assert!(text.contains(&format!("http://{at} (ORIGIN)")), "{text}");
        assert!(!text.contains("s3cret") && !text.contains("fred"), "{text}");
        text
    })
}

#[tokio::test]
async fn each_answer_of_a_proxy_has_its_sentence() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200));
    let long = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(20 << 10));
    let asks = "HTTP/1.1 407 Who\r\nproxy-authenticate: ";
    for (credentials, answer, told_of_it) in [
        ("http://", "HTTP/1.1 200 OK\r\n\r\n", "connected"),
        (
            SECRET,
            "HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n",
            "connected",
        ),
        ("http://", "HTTP/1.1 204 No Content\r\n\r\n", "connected"),
        (
            "http://",
            "HTTP/1.1 200 OK\r\n\r\nmore",
            "sends more than its answer",
        ),
        ("http://", "", "before it has answered"),
        ("http://", "HTTP/1.1 200 OK\r\n", "before it has answered"),
        (
            "http://",
            "220 mail ESMTP\r\n",
            "is no HTTP proxy, its answer begins with \"220",
        ),
        ("http://", "\x15\x03\x01\0\x02\x02", "is no HTTP proxy"),
        (
            "http://",
            many.as_str(),
            "more than 16384 bytes or 100 headers",
        ),
        (
            "http://",
            long.as_str(),
            "more than 16384 bytes or 100 headers",
        ),
        (
            "http://",
            "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
            "write name and password into ORIGIN",
        ),
        (
            "http://",
            "HTTP/1.1 407 Who\r\n\r\n",
            "write name and password",
        ),
        (
            SECRET,
            "HTTP/1.1 407 Who\r\nProxy-Authenticate: Digest x\r\nProxy-Authenticate: BASIC x\r\n\r\n",
            "does not take the name and the password",
        ),
        (
            SECRET,
            "HTTP/1.1 407 Who\r\n\r\n",
            "does not take the name and the password",
        ),
        (SECRET, &format!("{asks}NTLM\r\n\r\n"), "who calls by NTLM"),
        (
            "http://",
            &format!("{asks}Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n"),
            "who calls by Negotiate, NTLM",
        ),
        (
            "http://",
            "HTTP/1.1 403 Filtered\r\n\r\n",
            "does not allow a connection to fl.example.org:443 (403 Filtered)",
        ),
        (
            "http://",
            "HTTP/1.1 500 Unable to connect\r\n\r\n",
            "(500 Unable to connect)",
        ),
        (
            "http://",
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "does not get through",
        ),
        ("http://", "HTTP/1.1 503 x\r\n\r\n", "it is tried again"),
        ("http://", "HTTP/1.1 504 x\r\n\r\n", "it is tried again"),
        ("http://", "HTTP/1.1 429 x\r\n\r\n", "it is tried again"),
        ("http://", "HTTP/1.1 404 Not Found\r\n\r\n", "takes CONNECT"),
        (
            "http://",
            "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n",
            "takes CONNECT",
        ),
        ("http://", "HTTP/1.1 501 x\r\n\r\n", "takes CONNECT"),
        ("http://", "HTTP/1.1 101 x\r\n\r\n", "takes CONNECT"),
    ] {
        for text in told(answer.as_bytes().to_vec(), credentials).await {
            assert!(text.contains(told_of_it), "{answer:?}: {text}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_told_with_where_it_was_set() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    drop(listener);
    for (at, told) in [
        (at.as_str(), "cannot be reached (Connection refused"),
        ("nobody.invalid:3128", "has a name without an address ("),
    ] {
        let proxies = Proxies::of(&setting(&format!("{SECRET}{at}")), "ORIGIN").unwrap();
        let error = proxies.connect("fl.example.org:443").await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(told), "{text}");
        assert!(text.contains("correct ORIGIN"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_says_nothing_or_never_ends_is_given_up() {
    let proxy = setting("p:1").read("it").unwrap();
    let to = address("fl.example.org:443");
    let (mut near, _far) = duplex(1000);
    let failure = ask(&mut near, &proxy, &to).await.unwrap_err();
    let text = failure.of(&proxy, &to).to_string();
    assert!(text.contains("has not answered the request"), "{text}");

    let (mut near, mut far) = duplex(1000);
    let drip = tokio::spawn(async move {
        far.write_all(b"HTTP/1.1 200 OK\r\na: ").await.unwrap();
        while far.write_all(b"b").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let failure = ask(&mut near, &proxy, &to).await.unwrap_err();
    assert!(matches!(failure, Failure::Silent(_)), "{failure:?}");
    drop(near);
    drip.await.unwrap();
}
