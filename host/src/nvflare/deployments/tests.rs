use fedlink::message::TaskId;
use fedlink::nvflare::Array;

use super::*;
use crate::nvflare::app::tests::app;

const JOB: JobId = JobId::from_bytes([7; 16]);
const CLASS: &str = "nvflare.app_common.executors.client_api_executor.ClientAPIExecutor";

fn configured(class: &str, arguments: &str, filters: &str) -> Payload {
    let text = format!(
        r#"{{
            "executors": [{{"tasks": ["*"], "executor": {{"path": "{class}", "args": {arguments}}}}}],
            "task_result_filters": {filters}
        }}"#
    );
    Payload::new(app(&[("config/config_fed_client.json", text.as_bytes())]))
}

fn refusal(accepted: Accepted, app: &Payload) -> Option<String> {
    match Deployments::new(accepted, None).deployed(JOB, app) {
        Decision::Accept => None,
        Decision::Refuse(reason) => Some(reason),
    }
}

fn model<const N: usize>(arrays: [(&str, Array); N]) -> Payload {
    let mut model = Model::new();
    for (name, array) in arrays {
        model.insert(name, array);
    }
    model.to_payload().unwrap()
}

fn floats<const N: usize>(values: [f32; N]) -> Array {
    Array::new([N], values).unwrap()
}

fn task(name: &str, payload: Payload) -> Task {
    Task::new(TaskId::from_bytes([1; 16]), JOB, name, payload)
}

/// What goes back for [1 2 3] from a trainer that leaves this.
fn trained(deployments: &Deployments, update: Update) -> Result<Update, String> {
    let inner = move |_: Task, _: &Stop| Ok(update.clone());
    let mut trainer = deployments.trainer(JOB, Box::new(inner));
    let task = task("train", model([("w", floats([1.0, 2.0, 3.0]))]));
    let trained = trainer.train(task, &Stop::default());
    trained.map_err(|error| error.to_string())
}

fn weights(update: &Update) -> Vec<f32> {
    let model = Model::read(update.payload.bytes()).unwrap();
    model.get("w").unwrap().values().unwrap()
}

fn deployed(accepted: Accepted, arguments: &str) -> Deployments {
    let deployments = Deployments::new(accepted, None);
    let app = configured(CLASS, arguments, "[]");
    assert_eq!(deployments.deployed(JOB, &app), Decision::Accept);
    deployments
}

#[test]
fn a_job_that_takes_differences_gets_them() {
    let deployments = deployed(Accepted::default(), r#"{"params_transfer_type": "DIFF"}"#);
    let left = || Update::new(model([("w", floats([4.0, 6.0, 8.0]))]));
    let update = trained(&deployments, left()).unwrap();
    assert_eq!(weights(&update), [3.0, 4.0, 5.0]);
    assert_eq!(update.headers.get("kind"), Some("WEIGHT_DIFF"));
    // A program that subtracts itself says so.
    let mut itself = left();
    itself.headers.insert("kind", "WEIGHT_DIFF");
    let update = trained(&deployments, itself).unwrap();
    assert_eq!(weights(&update), [4.0, 6.0, 8.0]);
    // Metrics are metrics.
    let metrics = Update::new(Payload::new(Vec::new()));
    assert_eq!(trained(&deployments, metrics.clone()).unwrap(), metrics);
    let mut analytic = left();
    analytic.headers.insert("kind", "ANALYTIC");
    assert_eq!(trained(&deployments, analytic.clone()).unwrap(), analytic);
}

#[test]
fn a_job_that_takes_full_models_gets_them_as_they_are() {
    for arguments in ["{}", r#"{"params_transfer_type": "FULL"}"#, "null"] {
        let deployments = deployed(Accepted::default(), arguments);
        let left = Update::new(model([("w", floats([4.0, 6.0, 8.0]))]));
        assert_eq!(trained(&deployments, left.clone()).unwrap(), left);
    }
}

#[test]
fn an_array_that_has_changed_is_refused_unless_that_is_accepted() {
    let changed = [
        floats([4.0, 6.0]),
        Array::new([3, 1], [4.0_f32, 6.0, 8.0]).unwrap(),
        Array::new([3], [4.0_f64, 6.0, 8.0]).unwrap(),
    ];
    for array in changed {
        let left = || Update::new(model([("w", array.clone())]));
        let deployments = deployed(Accepted::default(), "{}");
        let error = trained(&deployments, left()).unwrap_err();
        assert!(error.contains("--accept-changed-arrays"), "{error}");
        let accepted = || Accepted {
            changed_arrays: true,
            ..Accepted::default()
        };
        assert!(trained(&deployed(accepted(), "{}"), left()).is_ok());
        // There is no difference between them.
        let differences = deployed(accepted(), r#"{"params_transfer_type": "DIFF"}"#);
        trained(&differences, left()).unwrap_err();
    }
    let others = Update::new(model([("v", floats([1.0]))]));
    assert!(trained(&deployed(Accepted::default(), "{}"), others.clone()).is_ok());
    let differences = deployed(Accepted::default(), r#"{"params_transfer_type": "DIFF"}"#);
    let error = trained(&differences, others).unwrap_err();
    assert!(error.contains("none of the task's arrays"), "{error}");
}

#[test]
fn what_is_not_known_is_refused_with_what_the_operator_can_do() {
    let filter = r#"[{"tasks": ["train"], "filters": [{"path": "a.b.PercentilePrivacy"}]}]"#;
    for (app, told) in [
        (
            configured("my.Executor", "{}", "[]"),
            "--accept-executors Executor",
        ),
        (
            configured(CLASS, "{}", filter),
            "--accept-filters PercentilePrivacy",
        ),
        (
            configured(CLASS, r#"{"params_transfer_type": "HALF"}"#, "[]"),
            "params_transfer_type \"HALF\"",
        ),
        (
            configured(CLASS, r#"{"to_nvflare_converter_id": "mine"}"#, "[]"),
            "to_nvflare_converter_id",
        ),
        (Payload::new("PK"), "cannot tell what the job asks for"),
    ] {
        let reason = refusal(Accepted::default(), &app).expect("it is refused");
        assert!(reason.contains(told), "{reason}");
    }
    let accepted = Accepted {
        executors: BTreeSet::from(["Executor".to_owned()]),
        filters: BTreeSet::from(["a.b.PercentilePrivacy".to_owned()]),
        changed_arrays: false,
    };
    let app = configured("my.Executor", "{}", filter);
    assert_eq!(refusal(accepted, &app), None);
    for known in CLIENT_API.iter().chain(&FULL) {
        assert_eq!(
            refusal(Accepted::default(), &configured(known, "{}", "[]")),
            None
        );
        let last = configured(last_name(known), "{}", "[]");
        assert_eq!(refusal(Accepted::default(), &last), None);
    }
}

#[test]
fn a_task_without_an_executor_fails_and_exact_names_come_before_patterns() {
    let terms = Terms {
        tasks: vec![
            ("tr*".to_owned(), Transfer::Full),
            ("train".to_owned(), Transfer::Difference),
        ],
    };
    assert_eq!(terms.transfer_of("train"), Some(Transfer::Difference));
    assert_eq!(terms.transfer_of("tree"), Some(Transfer::Full));
    assert_eq!(terms.transfer_of("validate"), None);
}

#[test]
fn terms_outlive_the_process_if_they_are_kept_and_are_never_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let kept = || Deployments::new(Accepted::default(), Some(folder.path().to_owned()));
    let app = configured(CLASS, r#"{"params_transfer_type": "DIFF"}"#, "[]");
    assert_eq!(kept().deployed(JOB, &app), Decision::Accept);
    let left = || Update::new(model([("w", floats([4.0, 6.0, 8.0]))]));
    assert_eq!(weights(&trained(&kept(), left()).unwrap()), [3.0, 4.0, 5.0]);
    kept().ended(JOB);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    for unknown in [kept(), Deployments::new(Accepted::default(), None)] {
        let error = trained(&unknown, left()).unwrap_err();
        assert!(error.contains("deploy it again"), "{error}");
    }
}
