//! The privacy policy of a site: filters that its own operator prescribes for all jobs.

use std::collections::BTreeSet;

use serde::Deserialize;

/// The policy, in the folder of the kit. A sample of another name comes with each kit.
pub(super) const PRIVACY: &str = "../local/privacy.json";

#[derive(Deserialize)]
struct Policy {
    #[serde(default)]
    scopes: Vec<Scope>,
}

#[derive(Deserialize)]
struct Scope {
    #[serde(default)]
    task_data_filters: Vec<Filter>,
    #[serde(default)]
    task_result_filters: Vec<Filter>,
}

#[derive(Deserialize)]
struct Filter {
    #[serde(alias = "path", alias = "class_path")]
    name: String,
}

/// The classes of all filters of all scopes. An error says where the policy is wrong.
pub(super) fn filters(policy: &[u8]) -> Result<BTreeSet<String>, String> {
    let policy: Policy = serde_json::from_slice(policy).map_err(|error| error.to_string())?;
    let scopes = policy.scopes.into_iter();
    let filters = scopes.flat_map(|scope| [scope.task_data_filters, scope.task_result_filters]);
    Ok(filters.flatten().map(|filter| filter.name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_of_all_scopes_are_found() {
        let policy = br#"{
            "scopes": [
                {"name": "public", "task_result_filters": [{"name": "Noise", "args": {"x": 1}}]},
                {"name": "private", "task_data_filters": [{"path": "a.b.Detector"}]}
            ],
            "default_scope": "public"
        }"#;
        let found = filters(policy).unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["Noise", "a.b.Detector"]
        );
        assert!(filters(b"{}").unwrap().is_empty());
        filters(br#"{"scopes": [{"task_result_filters": [{}]}]}"#).unwrap_err();
        filters(b"").unwrap_err();
    }
}
