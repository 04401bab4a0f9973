//! Names of containers, from the files that runtimes keep on the host. No daemon is asked.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::linux::cgroup::container::Container;
use crate::linux::files::{Roots, read_once};

/// The kubelet's links to the logs of containers: `POD_NAMESPACE_CONTAINER-ID.log`.
const KUBERNETES: &str = "var/log/containers";
/// A folder per container of Docker.
const DOCKER: &str = "var/lib/docker/containers";
/// A list of all containers of podman and of CRI-O.
const PODMAN: [&str; 2] = [
    "var/lib/containers/storage/overlay-containers/containers.json",
    "var/lib/containers/storage/vfs-containers/containers.json",
];

/// Of a name; those of Kubernetes have at most three parts of 253.
const MOST_CHARACTERS: usize = 800;

/// What is known about the container of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub container: Container,
    pub name: Option<String>,
}

/// The names at one time.
pub struct Names {
    root: PathBuf,
    /// By identifier.
    listed: HashMap<String, String>,
}

impl Names {
    /// Reads the lists. What is missing, or may not be read, has no names.
    pub fn read(roots: &Roots) -> Names {
        let root = roots.host();
        let mut listed = HashMap::new();
        for path in PODMAN {
            listed.extend(podman(&root.join(path)));
        }
        // What Kubernetes says about a container of CRI-O is more than its own name for it.
        listed.extend(kubernetes(&root.join(KUBERNETES)));
        Names { root, listed }
    }

    pub fn named(&self, container: Container) -> Arc<Named> {
        let name = self.of(&container);
        Arc::new(Named { container, name })
    }

    fn of(&self, container: &Container) -> Option<String> {
        let by_id = |id: &String| {
            let listed = self.listed.get(id).cloned();
            listed.or_else(|| docker(&self.root.join(DOCKER).join(id).join("config.v2.json")))
        };
        let name = container.name.clone().or_else(|| container.id.as_ref().and_then(by_id))?;
        Some(name.chars().take(MOST_CHARACTERS).collect()).filter(|name: &String| !name.is_empty())
    }
}

/// By identifier: `NAMESPACE/POD/CONTAINER`.
fn kubernetes(folder: &Path) -> HashMap<String, String> {
    let named = |file: String| {
        let (name, id) = file.strip_suffix(".log")?.rsplit_once('-')?;
        let mut parts = name.splitn(3, '_');
        let (pod, namespace, container) = (parts.next()?, parts.next()?, parts.next()?);
        Some((id.to_string(), format!("{namespace}/{pod}/{container}")))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| named(entry.file_name().into_string().ok()?)).collect()
}

#[derive(Deserialize)]
struct PodmanContainer {
    id: String,
    #[serde(default)]
    names: Vec<String>,
}

fn podman(path: &Path) -> HashMap<String, String> {
    let all: Vec<PodmanContainer> = json(path).unwrap_or_default();
    all.into_iter().filter_map(|container| Some((container.id, container.names.into_iter().next()?))).collect()
}

#[derive(Deserialize)]
struct DockerContainer {
    #[serde(rename = "Name")]
    name: String,
}

fn docker(path: &Path) -> Option<String> {
    let DockerContainer { name } = json(path)?;
    Some(name.trim_start_matches('/').to_string())
}

fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_str(&read_once(path).ok()?).ok()
}
