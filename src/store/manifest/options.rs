//! The collectors' options in the manifest, and the form in which version 0.1.0 wrote them.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// Option names of 0.1.0 without the prefix `perf_`, and their new places: collector and name.
const MOVED: [(&str, &str, &str); 5] = [
    ("all_interfaces", "network", "all_interfaces"),
    ("all_disks", "disk", "all_disks"),
    ("all_filesystems", "filesystem", "all_filesystems"),
    ("processes", "process", "processes"),
    ("cgroups", "cgroup", "cgroups"),
];

/// Reads options. Version 0.1.0 wrote a flat list; its options are moved below their collectors, so that recordings of
/// both versions can be compared.
pub fn by_collector<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    let mut options = Map::<String, Value>::deserialize(deserializer)?;
    let is_of_0_1_0 = options.contains_key("perf_scope") || options.contains_key("all_disks");
    if is_of_0_1_0 {
        for (old, collector, name) in MOVED {
            if let Some(value) = options.remove(old) {
                options.insert(collector.into(), json!({ name: value }));
            }
        }
        let names: Vec<String> = options.keys().filter(|name| name.starts_with("perf_")).cloned().collect();
        let perf: Map<String, Value> = names
            .into_iter()
            .filter_map(|name| Some((name.strip_prefix("perf_")?.to_string(), options.remove(&name)?)))
            .collect();
        options.insert("perf".into(), Value::Object(as_asked(perf)));
    }
    Ok(options)
}

/// The requested options. Version 0.1.0 wrote the resulting scope, and added the command's process to the requested
/// ones.
fn as_asked(mut perf: Map<String, Value>) -> Map<String, Value> {
    let is_of_command = perf.get("scope").is_some_and(|scope| scope == "command");
    perf.insert("scope".into(), if is_of_command { "command".into() } else { Value::Null });
    if is_of_command {
        perf.insert("pids".into(), json!([]));
    }
    perf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Session {
        #[serde(deserialize_with = "by_collector")]
        options: Map<String, Value>,
    }

    fn read(options: Value) -> Value {
        let session: Session = serde_json::from_value(json!({ "options": options })).unwrap();
        Value::Object(session.options)
    }

    #[test]
    fn options_of_0_1_0_move_below_their_collectors() {
        let old = json!({
            "proc_root": "/proc", "sys_root": "/sys", "all_interfaces": false, "all_disks": true, "all_filesystems": false,
            "processes": "top=5", "cgroups": ["a"], "perf_path": null, "perf_scope": "command", "perf_backend": "syscall",
            "perf_events": ["cycles"], "perf_interval_s": null, "perf_pids": [17], "perf_per": "whole", "later": 1
        });
        let new = json!({
            "proc_root": "/proc", "sys_root": "/sys", "network": { "all_interfaces": false }, "disk": { "all_disks": true },
            "filesystem": { "all_filesystems": false }, "process": { "processes": "top=5" },
            "cgroup": { "cgroups": ["a"] }, "later": 1,
            "perf": { "path": null, "scope": "command", "backend": "syscall", "events": ["cycles"], "interval_s": null,
                      "pids": [], "per": "whole" }
        });
        assert_eq!(read(old), new);
        assert_eq!(read(new.clone()), new, "options of this build do not change");
        assert_eq!(
            read(json!({ "perf_scope": "cpus", "perf_cpus": "0" })),
            json!({ "perf": { "scope": null, "cpus": "0" } })
        );
        assert_eq!(read(json!({})), json!({}));
    }
}
