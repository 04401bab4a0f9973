//! Cards of AMD and Intel. Source: `/sys/class/drm/card*`, described in the kernel's `gpu/amdgpu/thermal` and
//! `gpu/i915`; and their hwmon chips.

mod amd;
mod attribute;
mod intel;

use std::path::{Path, PathBuf};

use self::amd::Amd;
use self::attribute::Attributes;
use self::intel::Intel;
use super::fdinfo::Clients;
use super::{CardReading, ProcessReading, Reading, Source};
use crate::linux::files::{Roots, link_name, names_in, read_once};

/// How often the list of cards is compared with the known one.
const SEARCH_EVERY_NS: u64 = 10_000_000_000;

/// Drivers whose cards are read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    Amdgpu,
    I915,
    Xe,
}

impl Driver {
    const ALL: [(&'static str, Driver); 3] = [("amdgpu", Driver::Amdgpu), ("i915", Driver::I915), ("xe", Driver::Xe)];

    pub fn name(self) -> &'static str {
        Driver::ALL.iter().find(|(_, driver)| *driver == self).map_or("", |(name, _)| name)
    }
}

/// A card as it is listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// `/sys/class/drm/card0`
    pub folder: PathBuf,
    /// PCI address: `0000:03:00.0`.
    pub gpu: String,
    pub driver: Driver,
}

impl Listed {
    /// The folder of the PCI device.
    pub fn device(&self) -> PathBuf {
        self.folder.join("device")
    }
}

/// The cards of these drivers, in the kernel's order.
pub fn cards(roots: &Roots) -> Vec<Listed> {
    let class = roots.sys("class/drm");
    let names = names_in(&class).unwrap_or_default();
    // `card0-HDMI-A-1` is a connector.
    let is_card = |name: &&String| name.strip_prefix("card").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    let listed = |name: &String| {
        let folder = class.join(name);
        let driver = link_name(&folder.join("device/driver"))?;
        let (_, driver) = Driver::ALL.iter().find(|(name, _)| *name == driver)?;
        // Parts of a card that are shown as cards of their own have no PCI device.
        folder.join("device/vendor").exists().then_some(())?;
        let gpu = link_name(&folder.join("device"))?;
        Some(Listed { folder, gpu, driver: *driver })
    };
    names.iter().filter(is_card).filter_map(listed).collect()
}

/// What to call a card: the name that its firmware gives, else its PCI IDs.
pub fn name_of(card: &Listed) -> String {
    let text = |file: &str| read_once(&card.device().join(file)).ok().filter(|text| !text.is_empty());
    let id = |file: &str| text(file).map_or_else(|| "?".into(), |id| id.trim_start_matches("0x").to_string());
    let vendor = if card.driver == Driver::Amdgpu { "AMD" } else { "Intel" };
    text("product_name").unwrap_or_else(|| format!("{vendor} GPU [{}:{}]", id("vendor"), id("device")))
}

/// All cards of these drivers.
pub struct SysfsSource {
    roots: Roots,
    listed: Vec<Listed>,
    cards: Vec<Card>,
    clients: Clients,
    searched_ns: u64,
}

struct Card {
    name: String,
    uuid: Option<String>,
    gpu: String,
    /// `suspended`: reading its registers would wake it.
    status: Attributes,
    values: Values,
}

enum Values {
    Amd(Amd),
    Intel(Intel),
}

impl SysfsSource {
    /// # Errors
    /// If there is no such card.
    pub fn open(roots: &Roots) -> Result<SysfsSource, String> {
        let mut source = SysfsSource {
            roots: roots.clone(),
            listed: Vec::new(),
            cards: Vec::new(),
            clients: Clients::default(),
            searched_ns: 0,
        };
        source.search();
        match source.cards.is_empty() {
            true => Err(nothing(roots)),
            false => Ok(source),
        }
    }

    fn search(&mut self) {
        let listed = cards(&self.roots);
        if listed != self.listed {
            self.cards = listed.iter().map(Card::open).collect();
            self.listed = listed;
        }
    }
}

impl Card {
    fn open(listed: &Listed) -> Card {
        let device = listed.device();
        Card {
            name: name_of(listed),
            uuid: read_once(&device.join("unique_id")).ok().filter(|id| !id.is_empty()),
            gpu: listed.gpu.clone(),
            status: Attributes::new(&device.join("power")),
            values: match listed.driver {
                Driver::Amdgpu => Values::Amd(Amd::open(&device)),
                Driver::I915 | Driver::Xe => Values::Intel(Intel::open(&listed.folder, listed.driver)),
            },
        }
    }

    fn read(&mut self, now_ns: u64) -> CardReading {
        let empty = CardReading {
            gpu: self.gpu.clone(),
            name: Some(self.name.clone()),
            uuid: self.uuid.clone(),
            ..CardReading::default()
        };
        if self.status.text("runtime_status").as_deref() == Some("suspended") {
            return CardReading { usage_percent: Some(0.0), ..empty };
        }
        match &mut self.values {
            Values::Amd(amd) => amd.read(empty),
            Values::Intel(intel) => intel.read(empty, now_ns),
        }
    }
}

impl Source for SysfsSource {
    fn about(&self) -> String {
        let card =
            |(card, listed): (&Card, &Listed)| format!("{}: {} at {}", listed.driver.name(), card.name, card.gpu);
        self.cards.iter().zip(&self.listed).map(card).collect::<Vec<_>>().join(", ")
    }

    fn read(&mut self, now_ns: u64) -> Reading {
        if now_ns >= self.searched_ns.saturating_add(SEARCH_EVERY_NS) {
            self.searched_ns = now_ns;
            self.search();
        }
        let nothing = self.cards.is_empty().then(|| nothing(&self.roots));
        let cards = self.cards.iter_mut().map(|card| card.read(now_ns)).collect();
        Reading { cards, problems: nothing.into_iter().collect() }
    }

    fn processes(&mut self, pids: &[u32], now_ns: u64, _problems: &mut Vec<String>) -> Vec<ProcessReading> {
        let known = |gpu: &str| self.listed.iter().any(|card| card.gpu == gpu);
        self.clients.read(&self.roots, pids, now_ns, known)
    }
}

fn nothing(roots: &Roots) -> String {
    format!("no card of amdgpu, i915 or xe in {}", roots.sys("class/drm").display())
}

/// The folder of the card's hwmon chip.
fn hwmon(device: &Path) -> Option<PathBuf> {
    let folder = device.join("hwmon");
    Some(folder.join(names_in(&folder).ok()?.into_iter().find(|name| name.starts_with("hwmon"))?))
}

#[cfg(test)]
mod tests;
