use super::*;

fn parse(text: &str) -> Result<Trainers, String> {
    Trainers::parse(text).map_err(|error| error.to_string())
}

fn one(settings: &str) -> Result<Trainer, String> {
    let text = format!("[trainer.digits]\ncommand = [\"train\"]\n{settings}");
    parse(&text).map(|trainers| trainers.get("digits").unwrap().clone())
}

#[test]
fn what_is_not_said_has_its_default() {
    let trainer = one("").unwrap();
    assert_eq!(
        trainer,
        Trainer {
            command: vec!["train".to_owned()],
            life: Life::Job,
            slots: 1,
            folder: None,
            environment: BTreeMap::new(),
            config: None,
            leave: None,
            filter: Vec::new(),
            errors: Errors::Type,
            limit: None,
            restarts: 1,
            grace: Duration::from_secs(10),
        }
    );
}

#[test]
fn every_key_is_read() {
    let trainer = one(r#"
        life = "task"
        format = "safetensors"
        slots = 4
        folder = "/data"
        environment = { CUDA_VISIBLE_DEVICES = "{slot}" }
        config = ["lr"]
        leave = ["params", "accuracy"]
        filter = ["/opt/clip", "--norm", "1"]
        errors = "tail"
        limit = "1h"
        restarts = 0
        grace = "500ms""#)
    .unwrap();
    assert_eq!(trainer.life, Life::Task(Format::Safetensors));
    assert_eq!(trainer.slots, 4);
    assert_eq!(trainer.folder, Some("/data".into()));
    assert_eq!(trainer.config, Some(vec!["lr".to_owned()]));
    assert_eq!(trainer.leave.as_ref().map(Vec::len), Some(2));
    assert_eq!(trainer.filter.len(), 3);
    assert_eq!(trainer.errors, Errors::Tail);
    assert_eq!(trainer.limit, Some(Duration::from_secs(3_600)));
    assert_eq!(trainer.restarts, 0);
    assert_eq!(trainer.grace, Duration::from_millis(500));

    let launch = trainer.launch(Supervisor::at("fedlink"), 3);
    let variable = |name: &str| {
        let found = launch.environment.iter().find(|(key, _)| key == name);
        found.and_then(|(_, text)| text.to_str())
    };
    assert_eq!(variable("CUDA_VISIBLE_DEVICES"), Some("3"));
    assert_eq!(variable("FEDLINK_SLOT"), Some("3"));
    assert_eq!(launch.limit, trainer.limit);
    assert_eq!(launch.leave, trainer.leave);
    assert_eq!(launch.filter, ["/opt/clip", "--norm", "1"]);
    assert_eq!((launch.errors, launch.restarts), (Errors::Tail, 0));
    assert_eq!(launch.grace, trainer.grace);
    assert_eq!(launch.folder, PathBuf::from("/data"));
}

#[test]
fn a_kind_that_is_not_listed_has_the_trainer_of_any() {
    let listed = parse("[trainer.a]\ncommand = [\"a\"]").unwrap();
    assert!(listed.get("a").is_some() && listed.get("b").is_none());
    let any = parse("[trainer.a]\ncommand = [\"a\"]\n[trainer.\"*\"]\ncommand = [\"b\"]").unwrap();
    assert_eq!(any.get("a").unwrap().command, ["a"]);
    assert_eq!(any.get("c").unwrap().command, ["b"]);
    assert_eq!(any.kinds().collect::<Vec<_>>(), ["*", "a"]);
}

#[test]
fn each_wrong_key_and_value_is_refused_with_words() {
    for (settings, problem) in [
        (
            "slot = 1",
            "[trainer.digits]: `slot` is not known: did you mean `slots`?",
        ),
        ("enviroment = {}", "did you mean `environment`?"),
        (
            "gpu_memory = 1",
            "`gpu_memory` is not known; these are: command, life",
        ),
        ("life = \"round\"", "`life` must be \"job\" or \"task\""),
        ("life = 1", "`life` must be \"job\" or \"task\""),
        ("format = \"npz\"", "`format` is for `life = \"task\"`"),
        ("slots = 0", "`slots` must be a number from 1 to 1024"),
        ("slots = -1", "`slots` must be a number from 1 to 1024"),
        ("slots = 1.5", "`slots` must be a number from 1 to 1024"),
        (
            "slots = 5000000000",
            "`slots` must be a number from 1 to 1024",
        ),
        (
            "restarts = 101",
            "`restarts` must be a number from 0 to 100",
        ),
        ("folder = \"\"", "`folder` must be a text"),
        ("folder = \"a\\u0000b\"", "`folder` must be a text"),
        ("config = \"lr\"", "`config` must be a list of texts"),
        ("filter = [\"\"]", "`filter` must begin with a program"),
        ("leave = [1]", "`leave` must be a list of texts"),
        (
            "environment = { A = 1 }",
            "`environment` must be a table of texts",
        ),
        (
            "environment = { \"A=B\" = \"1\" }",
            "`environment` must be a table of texts",
        ),
        (
            "environment = { FEDLINK_SOCKET = \"x\" }",
            "begins with FEDLINK_",
        ),
        (
            "errors = \"all\"",
            "`errors` must be \"type\" or \"text\" or \"tail\"",
        ),
        ("limit = \"10\"", "`limit` must be a duration"),
        ("limit = 10", "`limit` must be a text"),
        ("limit = \"0s\"", "`limit` is 0"),
        ("grace = \"none\"", "`grace` must be a duration"),
    ] {
        let refused = one(settings).unwrap_err();
        assert!(refused.contains(problem), "{settings}: {refused}");
    }
}

#[test]
fn a_file_of_another_shape_is_refused_with_words() {
    let long = format!("[trainer.{}]\ncommand = [\"a\"]", "x".repeat(65));
    for (text, problem) in [
        (
            "[trainers.a]\ncommand = [\"a\"]",
            "`trainers` is no part of trainers.toml",
        ),
        ("trainer = 1", "`trainer` must be tables"),
        ("[trainer]\na = 1", "[trainer.a] must be a table"),
        ("[trainer.a]", "[trainer.a]: `command` is missing"),
        (
            "[trainer.a]\ncommand = []",
            "[trainer.a]: `command` is missing",
        ),
        (
            "[trainer.a]\ncommand = [\"\"]",
            "[trainer.a]: `command` is missing",
        ),
        (
            "[trainer.a]\ncommand = \"a b\"",
            "`command` must be a list of texts",
        ),
        (
            "[trainer.\"../a\"]\ncommand = [\"a\"]",
            "a kind has 1 to 64 letters",
        ),
        (
            "[trainer.\"..\"]\ncommand = [\"a\"]",
            "a kind has 1 to 64 letters",
        ),
        (
            "[trainer.\"\"]\ncommand = [\"a\"]",
            "a kind has 1 to 64 letters",
        ),
        (&long, "a kind has 1 to 64 letters"),
        (
            "[trainer.a]\ncommand = [\"a\"]\n[trainer.a]",
            "duplicate key",
        ),
        ("[trainer", "TOML parse error"),
    ] {
        let refused = parse(text).unwrap_err();
        assert!(refused.contains(problem), "{text:.60}: {refused}");
    }
}

#[test]
fn a_job_asks_for_nothing_that_the_operator_does_not_admit() {
    let config = serde_json::json!({ "lr": 0.1, "epochs": 2 });
    let config = config.as_object().unwrap();
    one("").unwrap().admit(config).unwrap();
    one("config = [\"lr\", \"epochs\"]")
        .unwrap()
        .admit(config)
        .unwrap();
    let refused = one("config = [\"lr\"]").unwrap().admit(config).unwrap_err();
    assert!(refused.to_string().contains("`epochs`"), "{refused}");
}

#[test]
fn the_coordinator_hears_what_the_operator_lets_it() {
    let failed = Failure::Failed("ValueError: patient 7 is missing".to_owned());
    assert_eq!(Errors::Type.tell(&failed, "printed"), "failed: ValueError");
    assert_eq!(
        Errors::Text.tell(&failed, "printed"),
        "failed: ValueError: patient 7 is missing"
    );
    assert!(Errors::Tail.tell(&failed, "printed").ends_with("printed"));
    // The coordinator keeps 1,024 bytes: both are among them.
    let long = Failure::Failed("é".repeat(2_000));
    let tail = format!("{}the end", "x".repeat(2_000));
    let told = Errors::Tail.tell(&long, &tail);
    assert!(
        told.starts_with("failed: éé") && told.ends_with("xthe end"),
        "{told}"
    );
    assert!((1_020..=1_024).contains(&told.len()), "{}", told.len());
    assert_eq!(Errors::Tail.tell(&failed, &tail).len(), 1_024);
    assert!(Errors::Text.tell(&long, "").len() <= 1_024);
    for (text, told) in [
        (
            "numpy.linalg.LinAlgError: singular",
            "failed: numpy.linalg.LinAlgError",
        ),
        ("patient 7: missing", "failed"),
        ("no colon", "failed"),
        ("", "failed"),
    ] {
        let failure = Failure::Failed(text.to_owned());
        assert_eq!(Errors::Type.tell(&failure, ""), told, "{text}");
    }
    let broken = Failure::Protocol("unknown variant `patient 7`".to_owned());
    assert!(!Errors::Type.tell(&broken, "").contains("patient"));
}
