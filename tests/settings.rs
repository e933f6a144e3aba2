//! Settings by their names: `docs/settings.md` has each of them, and texts set them.

use std::fmt::Write;

use fedlink::error::SettingError;
use fedlink::identity::Name;
use fedlink::{ClientConfig, ServerConfig, Setting, SettingKind, SettingValue};

fn client() -> ClientConfig {
    ClientConfig::new(Name::new("wine").unwrap())
}

fn server() -> ServerConfig {
    ServerConfig::new(Name::new("wine").unwrap())
}

/// What a table says that the setting may be.
fn values(kind: SettingKind) -> String {
    match kind {
        SettingKind::Bool | SettingKind::Word { .. } | SettingKind::Words { .. } => kind.expected(),
        SettingKind::Name => "a name".to_owned(),
        _ => kind.bounds(),
    }
}

/// The table of these settings, as the document has it.
fn table<C>(config: &str, settings: &[Setting<C>]) -> String {
    let mut table = format!("## `{config}`\n\n");
    table += "| name | kind | values | default | |\n|---|---|---|---|---|\n";
    for setting in settings {
        let [name, kind, doc] = [setting.name(), setting.kind().name(), &setting.doc()];
        let default = match setting.default().to_string() {
            none if none.is_empty() => none,
            default => format!("`{default}`"),
        };
        let values = values(setting.kind());
        writeln!(
            table,
            "| `{name}` | {kind} | {values} | {default} | {doc} |"
        )
        .unwrap();
    }
    table
}

#[test]
fn the_document_has_exactly_these_tables() {
    let tables = [
        table("ClientConfig", ClientConfig::SETTINGS),
        table("ServerConfig", ServerConfig::SETTINGS),
    ];
    let tables = tables.join("\n");
    #[cfg(feature = "nvflare")]
    let tables = {
        let settings = fedlink::nvflare::Settings::SETTINGS;
        [tables, table("nvflare::Settings", settings)].join("\n")
    };
    let document = include_str!("../docs/settings.md");
    // Without the feature the last table is not known.
    let told = match cfg!(feature = "nvflare") {
        true => document.ends_with(&tables),
        false => document.contains(&tables),
    };
    assert!(
        told,
        "docs/settings.md must end with these tables:\n{tables}"
    );
}

/// Texts that change a setting of this kind, and what they are shown as.
fn other_value(kind: SettingKind, default: &SettingValue) -> String {
    match (kind, default) {
        (SettingKind::Duration { .. }, SettingValue::Duration(time)) => {
            format!("{} us", time.as_micros() + 1)
        }
        (SettingKind::Count { most, .. } | SettingKind::Bytes { most, .. }, _) => {
            match default.to_string() == SettingValue::Bytes(most).to_string() {
                true => (most - 1).to_string(),
                false => most.to_string(),
            }
        }
        (SettingKind::Bool, SettingValue::Bool(yes)) => (!yes).to_string(),
        (SettingKind::Word { words }, _) => {
            let mut words = words.iter();
            let word = words.find(|word| **word != default.to_string());
            (*word.unwrap()).to_owned()
        }
        (SettingKind::Words { .. }, _) => "bearer, sealed".to_owned(),
        (SettingKind::Name, _) => "coordinator".to_owned(),
        (kind, _) => panic!("{kind:?}"),
    }
}

macro_rules! each_setting_is_set {
    ($name:ident, $config:ty, $default:expr) => {
        #[test]
        fn $name() {
            let shown = |config: &$config| format!("{config:?}");
            for setting in <$config>::SETTINGS {
                let name = setting.name();
                let mut config = $default;
                let default = config.get(name).unwrap();
                assert_eq!(default, setting.default());
                let other = other_value(setting.kind(), &default);
                config.set(name, &other).unwrap();
                assert_ne!(shown(&config), shown(&$default), "{name} = {other}");
                let value = config.get(name).unwrap();
                assert_ne!(value, default);
                // What is shown can be set, and so can the default.
                let mut again = $default;
                again.set(name, &value.to_string()).unwrap();
                assert_eq!(shown(&again), shown(&config));
                again.set(name, &default.to_string()).unwrap();
                assert_eq!(shown(&again), shown(&$default));
                // Beyond the bounds, and of another kind: nothing changes.
                for wrong in wrong_values(setting.kind()) {
                    let told = config.set(name, &wrong).unwrap_err().to_string();
                    assert!(told.starts_with(&format!("`{name}` cannot be ")), "{told}");
                    assert_eq!(config.get(name), Ok(value.clone()), "{name} = {wrong}");
                }
            }
        }
    };
}

each_setting_is_set!(
    each_setting_of_a_client_is_set_by_its_name,
    ClientConfig,
    client()
);
each_setting_is_set!(
    each_setting_of_a_server_is_set_by_its_name,
    ServerConfig,
    server()
);
#[cfg(feature = "nvflare")]
each_setting_is_set!(
    each_setting_of_nvflare_is_set_by_its_name,
    fedlink::nvflare::Settings,
    fedlink::nvflare::Settings::DEFAULT
);

fn wrong_values(kind: SettingKind) -> Vec<String> {
    let mut wrong = match kind {
        SettingKind::Duration { least } => {
            let below = least.as_nanos().checked_sub(1);
            let below = below.map(|nanos| format!("{nanos} ns"));
            below.into_iter().chain(["15".to_owned()]).collect()
        }
        SettingKind::Count { least, most } | SettingKind::Bytes { least, most } => {
            let below = least.checked_sub(1).map(u128::from);
            let beyond = [below, Some(u128::from(most) + 1)];
            let beyond = beyond.into_iter().flatten();
            beyond.map(|number| number.to_string()).collect()
        }
        SettingKind::Words { .. } => vec![String::new(), "plain, sealed".to_owned()],
        SettingKind::Bool | SettingKind::Word { .. } => vec![String::new(), "True".to_owned()],
        SettingKind::Name => vec!["two\nlines".to_owned()],
        kind => panic!("{kind:?}"),
    };
    wrong.push("\u{200b}".to_owned());
    wrong
}

#[test]
fn what_cannot_be_set_says_what_can() {
    let mut config = client();
    let mut told = |name: &str, text: &str| {
        let error = config.set(name, text).unwrap_err();
        (error.name(), error.to_string())
    };
    let (kind, unknown) = told("conect_timeout", "1 s");
    assert_eq!(kind, "unknown");
    assert!(
        unknown.starts_with(
            "there is no setting \"conect_timeout\": the nearest are `connect_timeout`, "
        ),
        "{unknown}"
    );
    assert_eq!(
        told("retry_min", "2"),
        (
            "wrong_kind",
            "`retry_min` cannot be \"2\": give a whole number and its unit (ns, us, ms, s, min, \
             h or d), as `15 s`"
                .to_owned()
        )
    );
    assert_eq!(
        told("inline_limit", "2 MiB"),
        (
            "out_of_bounds",
            "`inline_limit` cannot be \"2 MiB\": it must be 0 to 1 MiB".to_owned()
        )
    );
    assert_eq!(told("server", " a  b").0, "name");
    assert_eq!(told("suites", "plain, sealed").0, "suites");
    // No text sets these.
    for name in ["project", "binding", "", "RETRY_MIN"] {
        assert_eq!(told(name, "x").0, "unknown");
    }
    let unknown = server().get("max_held");
    assert!(matches!(unknown, Err(SettingError::Unknown { nearest, .. }) if nearest.len() == 3));
}
