use super::*;

fn parse(text: &str) -> Result<JobFile, JobFileError> {
    JobFile::parse(text, &[])
}

/// What is said of a file with this line beside its name.
fn fault(line: &str) -> String {
    parse(&format!("name = \"digits\"\n{line}"))
        .unwrap_err()
        .to_string()
}

#[test]
fn a_name_is_enough() {
    let file = parse("name = \"digits\"").unwrap();
    assert_eq!((file.kind.as_str(), file.rounds), ("digits", 10));
    assert_eq!(
        file.model,
        ModelSource::File("digits.safetensors".to_owned())
    );
    assert_eq!(
        (file.sites.clone(), file.sample, file.seed),
        (SiteChoice::All, 0, 0)
    );
    assert_eq!((file.min_sites, file.min_results), (2, 0));
    assert_eq!((file.wait, file.deadline), (60_000, 3_600_000));
    assert_eq!((file.weight, file.partial), (Weighting::Examples, false));
    assert_eq!(
        (file.metric.as_deref(), file.better),
        (Some("accuracy"), Better::Higher)
    );
    assert_eq!(
        (file.stop.clone(), file.patience, file.keep, file.results),
        (None, 0, 1, false)
    );
}

#[test]
fn all_keys_are_read_and_written() {
    let text = r#"
        name = "digits"
        kind = "mnist"
        rounds = 3
        model = "job:digits-7f3a/best"
        config = { lr = 0.1, layers = [1, 2], deep = { on = true } }
        sites = ["site-1", "site-2", "site 3"]
        sample = 2
        seed = 9
        min_results = 2
        wait = "1500ms"
        deadline = "2h"
        weight = "equal"
        aggregate = "mean"
        partial = true
        metric = "loss"
        better = "lower"
        stop = "loss < 0.25"
        patience = 4
        keep = 5
        results = true
        [site.site-2.config]
        lr = 0.2
    "#;
    let file = parse(text).unwrap();
    assert_eq!(parse(&file.to_toml()), Ok(file.clone()));
    assert_eq!(
        file.model,
        ModelSource::Job {
            id: "digits-7f3a".to_owned(),
            best: true
        }
    );
    assert_eq!((file.wait, file.deadline), (1500, 7_200_000));
    let condition = file.stop.as_ref().unwrap();
    assert!(condition.holds(0.2) && !condition.holds(0.25));
    assert_eq!(file.config_of("site-2")["lr"], 0.2);
    assert_eq!(file.config_of("site-1")["lr"], 0.1);
    assert_eq!(file.config_of("site-2")["layers"][1], 2);
    for text in [
        "name = \"d\"",
        "name = \"d\"\nmodel = \"ask:site-1\"\nmetric = \"none\"",
        "name = \"d\"\nmodel = \"none\"",
    ] {
        let file = parse(text).unwrap();
        assert_eq!(parse(&file.to_toml()), Ok(file));
    }
}

#[test]
fn settings_replace_what_the_file_says() {
    let text = "name = \"digits\"\nrounds = 5";
    let settings = [
        "rounds=3",
        "config.lr = 0.5",
        "metric=loss",
        "sites=[\"a\",\"b\"]",
        "site.a.config.lr=1",
    ];
    let file = JobFile::parse(text, &settings).unwrap();
    assert_eq!((file.rounds, file.metric.as_deref()), (3, Some("loss")));
    assert_eq!(file.config_of("a")["lr"], 1);
    assert_eq!(file.config_of("b")["lr"], 0.5);
    assert_eq!(
        file.sites,
        SiteChoice::Named(vec!["a".to_owned(), "b".to_owned()])
    );
    let fault = |setting| JobFile::parse(text, &[setting]).unwrap_err().to_string();
    assert_eq!(
        fault("round=3"),
        "`round` is no key of a job file: is it `rounds`?"
    );
    assert_eq!(fault("rounds"), "`rounds`: write KEY=VALUE");
    assert_eq!(fault("rounds.x=3"), "`rounds.x`: `rounds` is no table");
    assert_eq!(
        fault("rounds=1\nseed=2"),
        "`rounds`: a whole number is expected, not string"
    );
}

#[test]
fn unknown_keys_are_refused_with_the_nearest() {
    assert_eq!(
        fault("min_site = 3"),
        "`min_site` is no key of a job file: is it `min_sites`?"
    );
    assert_eq!(
        fault("dead_line = \"1h\""),
        "`dead_line` is no key of a job file: is it `deadline`?"
    );
    assert_eq!(fault("colour = 1"), "`colour` is no key of a job file");
    assert_eq!(
        fault("[site.a]\nconfg = {}"),
        "`site.a.confg` is no key of a job file: is it `site.a.config`?"
    );
    assert_eq!(parse("rounds = 3"), Err(JobFileError::Missing("name")));
}

#[test]
fn values_out_of_bounds_are_refused_with_the_key() {
    let value = "`rounds`: -3 is not from 1 to 1000000";
    assert_eq!(fault("rounds = -3"), value);
    for (line, key) in [
        ("rounds = 0", "rounds"),
        ("rounds = 1000001", "rounds"),
        ("rounds = 1.5", "rounds"),
        ("rounds = \"3\"", "rounds"),
        ("min_sites = 0", "min_sites"),
        ("seed = -1", "seed"),
        ("sample = 1", "sample"),
        ("min_results = 1", "min_results"),
        ("sample = 3\nmin_results = 4", "min_results"),
        ("sites = [\"a\"]", "sites"),
        ("sites = [\"a\", \"a\"]", "sites"),
        ("sites = [\"a\", 1]", "sites"),
        ("sites = [\"../a\", \"b\"]", "sites"),
        ("sites = \"some\"", "sites"),
        ("wait = \"1\"", "wait"),
        ("wait = 60", "wait"),
        ("wait = \"-1s\"", "wait"),
        ("wait = \"366d\"", "wait"),
        ("wait = \"99999999999999999999d\"", "wait"),
        ("deadline = \"0s\"", "deadline"),
        ("deadline = \"999ms\"", "deadline"),
        ("partial = true\nmodel = \"none\"", "partial"),
        ("weight = \"size\"", "weight"),
        ("aggregate = \"median\"", "aggregate"),
        ("partial = 1", "partial"),
        ("better = \"more\"", "better"),
        ("stop = \"accuracy\"", "stop"),
        ("stop = \">= 3\"", "stop"),
        ("stop = \"accuracy >= nan\"", "stop"),
        ("metric = \"none\"\npatience = 2", "patience"),
        ("keep = 0", "keep"),
        ("config = 3", "config"),
        ("config = { when = 2026-01-01 }", "config"),
        ("config = { lr = nan }", "config"),
        ("site = 3", "site"),
        ("site.a = 3", "site.a"),
        ("sites = [\"a\", \"b\"]\nsite.c.config.lr = 1", "site.c"),
        ("model = \"model.pt\"", "model"),
        ("model = \"job:a/worst\"", "model"),
        ("model = \"job:../a/best\"", "model"),
        ("model = \"ask:\"", "model"),
        ("sites = [\"a\", \"b\"]\nmodel = \"ask:c\"", "model"),
    ] {
        let fault = fault(line);
        assert!(fault.starts_with(&format!("`{key}`: ")), "{line}: {fault}");
    }
    let long = format!("config = {{ text = \"{}\" }}", "x".repeat(MAX_CONFIG));
    assert!(fault(&long).starts_with("`config`: "));
}

#[test]
fn names_are_no_paths() {
    let long = "x".repeat(300);
    for name in [
        "",
        ".",
        "..",
        "a/b",
        "../a",
        "/etc/passwd",
        "a\\b",
        "a..b",
        "-rf",
        "a b",
        "a\\u0000",
        "é",
        &long,
    ] {
        for line in [
            format!("name = \"{name}\""),
            format!("name = \"a\"\nkind = \"{name}\""),
        ] {
            let fault = parse(&line).unwrap_err();
            assert!(
                matches!(fault, JobFileError::Value { .. } | JobFileError::Toml(_)),
                "{line}: {fault}"
            );
        }
    }
}

#[test]
fn what_is_no_toml_is_refused_with_its_line() {
    let fault = parse("name = \"a\"\nrounds = \n").unwrap_err().to_string();
    assert!(fault.contains("line 2"), "{fault}");
    let twice = parse("name = \"a\"\nname = \"b\"").unwrap_err();
    assert!(matches!(twice, JobFileError::Toml(_)));
    let long = format!("name = \"a\"\n# {}", "x".repeat(MAX_JOB_FILE));
    assert!(matches!(parse(&long), Err(JobFileError::TooLong(_))));
    let deep = format!(
        "name = \"a\"\nconfig = {{ a = {}{} }}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert!(parse(&deep).is_err());
}
