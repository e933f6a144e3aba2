//! From TOML to a job file and back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Map;
use toml::{Table, Value};

use super::{
    Better, Condition, JobFile, JobFileError, MAX_CONFIG, MAX_JOB_FILE, MAX_ROUNDS, MIN_DEADLINE,
    ModelSource, SiteChoice, Weighting, duration, name,
};

const KEYS: [&str; 22] = [
    "name",
    "kind",
    "rounds",
    "model",
    "config",
    "site",
    "sites",
    "sample",
    "seed",
    "min_sites",
    "min_results",
    "wait",
    "deadline",
    "weight",
    "aggregate",
    "partial",
    "metric",
    "better",
    "stop",
    "patience",
    "keep",
    "results",
];

/// How much of a key has to be alike, from 0 to 1, for it to be suggested.
const LIKENESS: f64 = 0.7;

pub(super) fn parse(text: &str, settings: &[&str]) -> Result<JobFile, JobFileError> {
    if text.len() > MAX_JOB_FILE {
        return Err(JobFileError::TooLong(text.len()));
    }
    let mut table: Table = text
        .parse()
        .map_err(|it: toml::de::Error| JobFileError::Toml(it.to_string().trim_end().to_owned()))?;
    for setting in settings {
        let (key, value) = setting.split_once('=').ok_or_else(|| JobFileError::Value {
            key: (*setting).to_owned(),
            reason: "write KEY=VALUE".to_owned(),
        })?;
        set(&mut table, key.trim(), value.trim())?;
    }
    let file = read(Entries { table })?;
    check(&file)?;
    Ok(file)
}

/// Replaces the value of a key, which may have dots in it.
fn set(table: &mut Table, key: &str, value: &str) -> Result<(), JobFileError> {
    let value = format!("v = {value}")
        .parse::<Table>()
        .ok()
        .filter(|it| it.len() == 1)
        .and_then(|mut it| it.remove("v"))
        .unwrap_or_else(|| Value::from(value));
    let mut inner = table;
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            inner.insert(part.to_owned(), value);
            break;
        }
        let next = inner
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()));
        inner = next
            .as_table_mut()
            .ok_or_else(|| invalid(key, format!("`{part}` is no table")))?;
    }
    Ok(())
}

fn read(mut entries: Entries) -> Result<JobFile, JobFileError> {
    if let Some(key) = entries
        .table
        .keys()
        .find(|key| !KEYS.contains(&key.as_str()))
    {
        return Err(unknown(key, &KEYS));
    }
    let name = entries.text("name")?.ok_or(JobFileError::Missing("name"))?;
    let at_least = |least: u64| least..=u64::from(u32::MAX);
    let metric = entries
        .text("metric")?
        .unwrap_or_else(|| "accuracy".to_owned());
    let stop = entries.text("stop")?.filter(|it| !it.trim().is_empty());
    Ok(JobFile {
        kind: entries.text("kind")?.unwrap_or_else(|| name.clone()),
        rounds: entries.number("rounds", 1..=u64::from(MAX_ROUNDS), 10)? as u32,
        model: match entries.text("model")? {
            Some(text) => model(&text).map_err(|reason| invalid("model", reason))?,
            None => ModelSource::File(format!("{name}.safetensors")),
        },
        config: entries.object("config")?,
        site_config: entries.site_config()?,
        sites: entries.sites()?,
        sample: entries.number("sample", at_least(0), 0)? as usize,
        seed: entries.number("seed", 0..=u64::MAX, 0)?,
        min_sites: entries.number("min_sites", at_least(1), 2)? as usize,
        min_results: entries.number("min_results", at_least(0), 0)? as usize,
        wait: entries.duration("wait", 60_000)?,
        deadline: entries.duration("deadline", 3_600_000)?,
        weight: entries.choice(
            "weight",
            &[
                ("examples", Weighting::Examples),
                ("equal", Weighting::Equal),
            ],
        )?,
        partial: {
            entries.choice("aggregate", &[("mean", ())])?;
            entries.flag("partial")?
        },
        metric: (metric != "none").then_some(metric),
        better: entries.choice(
            "better",
            &[("higher", Better::Higher), ("lower", Better::Lower)],
        )?,
        stop: stop
            .map(|it| Condition::parse(&it).map_err(|reason| invalid("stop", reason)))
            .transpose()?,
        patience: entries.number("patience", at_least(0), 0)? as u32,
        keep: entries.number("keep", at_least(1), 1)? as u32,
        results: entries.flag("results")?,
        name,
    })
}

/// What depends on more than one key, and on names.
fn check(file: &JobFile) -> Result<(), JobFileError> {
    name::check(&file.name).map_err(|reason| invalid("name", reason))?;
    name::check(&file.kind).map_err(|reason| invalid("kind", reason))?;
    let enough = |key, found: usize, zero: &str| {
        if found != 0 && found < file.min_sites {
            let reason = format!("{found} is less than min_sites, {}: {zero}", file.min_sites);
            return Err(invalid(key, reason));
        }
        Ok(())
    };
    enough("sample", file.sample, "0 asks all sites")?;
    enough(
        "min_results",
        file.min_results,
        "0 waits for all that are still there",
    )?;
    if file.sample != 0 && file.min_results > file.sample {
        let reason = format!(
            "{} results cannot come of a sample of {}",
            file.min_results, file.sample
        );
        return Err(invalid("min_results", reason));
    }
    if let SiteChoice::Named(names) = &file.sites {
        let fewest = file.min_sites.max(file.min_results).max(file.sample);
        if names.len() < fewest {
            let reason = format!("{} are named, where {fewest} are needed", names.len());
            return Err(invalid("sites", reason));
        }
    }
    if file.deadline < MIN_DEADLINE {
        let reason = format!("a round needs at least {}", duration::write(MIN_DEADLINE));
        return Err(invalid("deadline", reason));
    }
    if file.partial && file.model == ModelSource::None {
        let reason = "without a model nothing says which arrays are missing: name a file, or the site that makes it, as model = \"ask:SITE\"";
        return Err(invalid("partial", reason.to_owned()));
    }
    if file.patience > 0 && file.metric.is_none() {
        return Err(invalid(
            "patience",
            "there is no metric to compare models by".to_owned(),
        ));
    }
    if let ModelSource::Ask(site) = &file.model
        && !file.admits(site)
    {
        return Err(invalid("model", format!("{site:?} is not in sites")));
    }
    for site in file.site_config.keys() {
        let key = format!("site.{site}");
        name::check_site(site).map_err(|reason| invalid(&key, reason))?;
        if !file.admits(site) {
            return Err(invalid(&key, "this site is not in sites".to_owned()));
        }
    }
    let everyone = [""]
        .into_iter()
        .chain(file.site_config.keys().map(String::as_str));
    for site in everyone {
        let config = serde_json::Value::from(file.config_of(site)).to_string();
        if config.len() > MAX_CONFIG {
            let reason = format!("{} bytes as JSON, of at most {MAX_CONFIG}", config.len());
            return Err(invalid("config", reason));
        }
    }
    Ok(())
}

/// What a job file says, and what of it was read.
struct Entries {
    table: Table,
}

impl Entries {
    fn text(&mut self, key: &'static str) -> Result<Option<String>, JobFileError> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(mistyped(key, "a text in quotation marks", &other)),
        }
    }

    fn flag(&mut self, key: &'static str) -> Result<bool, JobFileError> {
        match self.table.remove(key) {
            None => Ok(false),
            Some(Value::Boolean(flag)) => Ok(flag),
            Some(other) => Err(mistyped(key, "true or false", &other)),
        }
    }

    fn number(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, JobFileError> {
        let number = match self.table.remove(key) {
            None => return Ok(default),
            Some(Value::Integer(number)) => number,
            Some(other) => return Err(mistyped(key, "a whole number", &other)),
        };
        u64::try_from(number)
            .ok()
            .filter(|it| range.contains(it))
            .ok_or_else(|| {
                let end = (*range.end()).min(i64::MAX as u64);
                invalid(
                    key,
                    format!("{number} is not from {} to {end}", range.start()),
                )
            })
    }

    fn duration(&mut self, key: &'static str, default: u64) -> Result<u64, JobFileError> {
        match self.text(key)? {
            None => Ok(default),
            Some(text) => duration::parse(&text).map_err(|reason| invalid(key, reason)),
        }
    }

    /// One of several words, the first unless it says another.
    fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Result<T, JobFileError> {
        let text = self.text(key)?;
        let chosen = match &text {
            None => words.first(),
            Some(text) => words.iter().find(|(word, _)| word == text),
        };
        let known: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let reason = || {
            format!(
                "{:?} is not {}",
                text.clone().unwrap_or_default(),
                known.join(" or ")
            )
        };
        chosen
            .map(|(_, value)| *value)
            .ok_or_else(|| invalid(key, reason()))
    }

    fn object(
        &mut self,
        key: &'static str,
    ) -> Result<Map<String, serde_json::Value>, JobFileError> {
        match self.table.remove(key) {
            None => Ok(Map::new()),
            Some(Value::Table(table)) => object(key, table),
            Some(other) => Err(mistyped(key, "a table", &other)),
        }
    }

    fn site_config(
        &mut self,
    ) -> Result<BTreeMap<String, Map<String, serde_json::Value>>, JobFileError> {
        let sites = match self.table.remove("site") {
            None => return Ok(BTreeMap::new()),
            Some(Value::Table(table)) => table,
            Some(other) => return Err(mistyped("site", "tables like [site.NAME.config]", &other)),
        };
        let mut configs = BTreeMap::new();
        for (site, value) in sites {
            let key = format!("site.{site}");
            let Value::Table(mut table) = value else {
                return Err(mistyped(&key, "a table", &value));
            };
            let config = match table.remove("config") {
                Some(Value::Table(config)) => object(&format!("{key}.config"), config)?,
                Some(other) => return Err(mistyped(&key, "a table", &other)),
                None => Map::new(),
            };
            if let Some(other) = table.keys().next() {
                return Err(unknown(
                    &format!("{key}.{other}"),
                    &[&format!("{key}.config")],
                ));
            }
            configs.insert(site, config);
        }
        Ok(configs)
    }

    fn sites(&mut self) -> Result<SiteChoice, JobFileError> {
        let expected = "\"all\" or a list of names";
        let list = match self.table.remove("sites") {
            None => return Ok(SiteChoice::All),
            Some(Value::String(all)) if all == "all" => return Ok(SiteChoice::All),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(mistyped("sites", expected, &other)),
        };
        let mut seen = BTreeSet::new();
        for site in list {
            let Value::String(site) = site else {
                return Err(mistyped("sites", expected, &site));
            };
            name::check_site(&site).map_err(|reason| invalid("sites", reason))?;
            if !seen.insert(site.clone()) {
                return Err(invalid("sites", format!("{site:?} is there twice")));
            }
        }
        Ok(SiteChoice::Named(seen.into_iter().collect()))
    }
}

fn model(text: &str) -> Result<ModelSource, String> {
    if text == "none" {
        return Ok(ModelSource::None);
    }
    if let Some(site) = text.strip_prefix("ask:") {
        name::check_site(site)?;
        return Ok(ModelSource::Ask(site.to_owned()));
    }
    if let Some(other) = text.strip_prefix("job:") {
        let (id, which) = other.split_once('/').unwrap_or((other, ""));
        name::check(id)?;
        let best = match which {
            "best" => true,
            "last" => false,
            _ => return Err(format!("{text:?} is neither job:ID/best nor job:ID/last")),
        };
        return Ok(ModelSource::Job {
            id: id.to_owned(),
            best,
        });
    }
    if !(text.ends_with(".safetensors") || text.ends_with(".npz")) || text.contains('\0') {
        return Err(format!(
            "{text:?} is no .safetensors or .npz file, job:ID/best, job:ID/last, ask:SITE or none"
        ));
    }
    Ok(ModelSource::File(text.to_owned()))
}

fn object(key: &str, table: Table) -> Result<Map<String, serde_json::Value>, JobFileError> {
    let entry = |(name, value)| Ok((name, json(key, value)?));
    table.into_iter().map(entry).collect()
}

fn json(key: &str, value: Value) -> Result<serde_json::Value, JobFileError> {
    Ok(match value {
        Value::String(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Boolean(flag) => flag.into(),
        Value::Float(number) => match serde_json::Number::from_f64(number) {
            Some(number) => number.into(),
            None => return Err(invalid(key, format!("{number} has no place in JSON"))),
        },
        Value::Datetime(date) => {
            return Err(invalid(
                key,
                format!("{date} has no place in JSON: write it as a text"),
            ));
        }
        Value::Array(list) => {
            let list: Result<Vec<_>, _> = list.into_iter().map(|it| json(key, it)).collect();
            list?.into()
        }
        Value::Table(table) => object(key, table)?.into(),
    })
}

pub(super) fn write(file: &JobFile) -> String {
    let mut table = Table::new();
    let mut put = |key: &str, value: Value| table.insert(key.to_owned(), value);
    let number = |number: u64| Value::Integer(number.try_into().unwrap_or(i64::MAX));
    put("name", file.name.clone().into());
    put("kind", file.kind.clone().into());
    put("rounds", number(file.rounds.into()));
    put(
        "model",
        match &file.model {
            ModelSource::File(file) => file.clone().into(),
            ModelSource::Job { id, best } => {
                format!("job:{id}/{}", if *best { "best" } else { "last" }).into()
            }
            ModelSource::Ask(site) => format!("ask:{site}").into(),
            ModelSource::None => "none".into(),
        },
    );
    put(
        "sites",
        match &file.sites {
            SiteChoice::All => "all".into(),
            SiteChoice::Named(names) => names.clone().into(),
        },
    );
    put("sample", number(file.sample as u64));
    put("seed", number(file.seed));
    put("min_sites", number(file.min_sites as u64));
    put("min_results", number(file.min_results as u64));
    put("wait", duration::write(file.wait).into());
    put("deadline", duration::write(file.deadline).into());
    put(
        "weight",
        match file.weight {
            Weighting::Examples => "examples".into(),
            Weighting::Equal => "equal".into(),
        },
    );
    put("aggregate", "mean".into());
    put("partial", file.partial.into());
    put(
        "metric",
        file.metric
            .clone()
            .unwrap_or_else(|| "none".to_owned())
            .into(),
    );
    put(
        "better",
        match file.better {
            Better::Higher => "higher".into(),
            Better::Lower => "lower".into(),
        },
    );
    put(
        "stop",
        file.stop
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
            .into(),
    );
    put("patience", number(file.patience.into()));
    put("keep", number(file.keep.into()));
    put("results", file.results.into());
    put("config", toml_table(&file.config));
    let site = |(name, config): (&String, &Map<_, _>)| {
        let config = ("config".to_owned(), toml_table(config));
        (name.clone(), Value::Table(Table::from_iter([config])))
    };
    put(
        "site",
        Value::Table(file.site_config.iter().map(site).collect()),
    );
    table.to_string()
}

fn toml_table(object: &Map<String, serde_json::Value>) -> Value {
    Value::try_from(object).unwrap_or_else(|_| Value::Table(Table::new()))
}

fn unknown(key: &str, known: &[&str]) -> JobFileError {
    let likeness = |it: &&&str| (strsim::normalized_damerau_levenshtein(key, it) * 1e6) as u64;
    let nearest = known
        .iter()
        .max_by_key(likeness)
        .filter(|it| strsim::normalized_damerau_levenshtein(key, it) >= LIKENESS);
    JobFileError::Unknown {
        key: key.to_owned(),
        nearest: nearest.map(|it| (*it).to_owned()),
    }
}

fn mistyped(key: &str, expected: &str, found: &Value) -> JobFileError {
    invalid(
        key,
        format!("{expected} is expected, not {}", found.type_str()),
    )
}

fn invalid(key: &str, reason: String) -> JobFileError {
    JobFileError::Value {
        key: key.to_owned(),
        reason,
    }
}
