//! Graphics processors, as far as the kernel shows them without asking the cards.

use serde::{Deserialize, Serialize};

use crate::linux::files::{Roots, names_in, read_once};
use crate::linux::gpu::sysfs;

/// A card with a driver that is read here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gpu {
    /// PCI address: `0000:3b:00.0`.
    pub gpu: String,
    pub name: Option<String>,
    /// "nvidia", "amdgpu", "i915", "xe"
    pub driver: String,
    /// Only NVIDIA's driver has a version of its own.
    pub driver_version: Option<String>,
    pub uuid: Option<String>,
    pub memory_bytes: Option<u64>,
}

/// All cards: first those of NVIDIA, then the others in the kernel's order.
pub fn gpus(roots: &Roots) -> Vec<Gpu> {
    let folder = roots.proc("driver/nvidia");
    let version = read_once(&folder.join("version")).ok().and_then(|text| nvidia_version(&text));
    let cards = names_in(&folder.join("gpus")).unwrap_or_default();
    let nvidia = cards.into_iter().map(|gpu| {
        let text = read_once(&folder.join("gpus").join(&gpu).join("information")).unwrap_or_default();
        let value = |key: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?.trim();
            // A card that was never used has no UUID yet: it consists of question marks.
            (!value.is_empty() && !value.contains("??")).then(|| value.to_string())
        };
        Gpu {
            gpu,
            name: value("Model"),
            driver: "nvidia".into(),
            driver_version: version.clone(),
            uuid: value("GPU UUID"),
            memory_bytes: None,
        }
    });
    let others = sysfs::cards(roots).into_iter().map(|card| {
        let text = |file: &str| read_once(&card.device().join(file)).ok().filter(|text| !text.is_empty());
        Gpu {
            name: Some(sysfs::name_of(&card)),
            driver: card.driver.name().into(),
            driver_version: None,
            uuid: text("unique_id"),
            memory_bytes: text("mem_info_vram_total").and_then(|bytes| bytes.parse().ok()),
            gpu: card.gpu,
        }
    });
    nvidia.chain(others).collect()
}

/// The first word of `/proc/driver/nvidia/version` that is a version: numbers with points between them.
fn nvidia_version(text: &str) -> Option<String> {
    let is_version = |word: &&str| {
        word.contains('.') && word.split('.').all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    text.lines().next()?.split_whitespace().find(is_version).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;

    #[test]
    fn cards_of_nvidia() {
        let tree = Tree::new(&[
            (
                "proc/driver/nvidia/version",
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (builder@host)  \
                 Tue May  6 00:00:00 UTC 2026\nGCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2)\n",
            ),
            (
                "proc/driver/nvidia/gpus/0000:3b:00.0/information",
                "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 61\nGPU UUID: \t GPU-11111111-2222\n\
                 Video BIOS: \t 96.00.da.00.0c\nBus Location: \t 0000:3b:00.0\nDevice Minor: \t 0\n",
            ),
            (
                "proc/driver/nvidia/gpus/0000:af:00.0/information",
                "Model: \t\t Unknown\nGPU UUID: \t GPU-????????-????-????\n",
            ),
        ]);
        let card = |gpu: &str, name: &str, uuid: Option<&str>| Gpu {
            gpu: gpu.into(),
            name: Some(name.into()),
            driver: "nvidia".into(),
            driver_version: Some("580.159.04".into()),
            uuid: uuid.map(Into::into),
            memory_bytes: None,
        };
        let expected = [
            card("0000:3b:00.0", "NVIDIA H100 80GB HBM3", Some("GPU-11111111-2222")),
            card("0000:af:00.0", "Unknown", None),
        ];
        assert_eq!(gpus(&tree.roots()), expected);
        assert!(gpus(&Tree::new(&[]).roots()).is_empty());
    }

    #[test]
    fn versions_of_older_drivers() {
        let of = |text| nvidia_version(text);
        let closed = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023\n";
        assert_eq!(of(closed).as_deref(), Some("535.129.03"));
        let old = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  390.48  Thu Mar 22 00:42:57 PDT 2018\n";
        assert_eq!(of(old).as_deref(), Some("390.48"));
        assert_eq!(of("NVRM version: none\nGCC version: 13.3.0\n"), None);
    }
}
