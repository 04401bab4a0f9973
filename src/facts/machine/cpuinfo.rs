//! The type of the processor from `/proc/cpuinfo`, which each architecture writes in its own way.

use std::collections::{BTreeMap, BTreeSet};

/// Lines of `key : value`: those of each CPU, and those outside of any.
pub struct CpuInfo<'t> {
    cpus: Vec<Vec<(&'t str, &'t str)>>,
    common: Vec<(&'t str, &'t str)>,
}

impl<'t> CpuInfo<'t> {
    pub fn parse(text: &'t str) -> CpuInfo<'t> {
        let mut info = CpuInfo { cpus: Vec::new(), common: Vec::new() };
        let mut is_in_cpu = false;
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                is_in_cpu = is_in_cpu && !line.trim().is_empty();
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            // On s390 there are also lines like `processor 0: version = FF, ...`. An old ARM has `Processor : ARMv7
            // ...`.
            if matches!(key, "processor" | "cpu number") && value.parse::<u32>().is_ok() {
                info.cpus.push(Vec::new());
                is_in_cpu = true;
            }
            match info.cpus.last_mut().filter(|_| is_in_cpu) {
                Some(cpu) => cpu.push((key, value)),
                None => info.common.push((key, value)),
            }
        }
        info
    }

    /// The first value of a key, of a CPU or of the machine.
    fn first(&self, key: &str) -> Option<&'t str> {
        self.cpus.iter().chain([&self.common]).find_map(|fields| value(fields, key))
    }

    /// The number of different values that these keys have together; `None` if no CPU has all of them.
    pub fn distinct(&self, keys: &[&str]) -> Option<u64> {
        let of_cpu = |cpu: &Vec<(&str, &'t str)>| keys.iter().map(|key| value(cpu, key)).collect::<Option<Vec<_>>>();
        let ids: BTreeSet<_> = self.cpus.iter().filter_map(of_cpu).collect();
        (!ids.is_empty()).then_some(ids.len() as u64)
    }

    /// The number of cores; `None` if unknown.
    pub fn cores(&self) -> Option<u64> {
        // On s390 each book numbers its cores from zero; LoongArch has its own names.
        let s390 = self.distinct(&["drawer id", "book id", "physical id", "core id"]);
        s390.or_else(|| self.distinct(&["physical id", "core id"])).or_else(|| self.distinct(&["package", "core"]))
    }

    pub fn sockets(&self) -> Option<u64> {
        let s390 = self.distinct(&["drawer id", "book id", "physical id"]);
        s390.or_else(|| self.distinct(&["physical id"])).or_else(|| self.distinct(&["package"]))
    }

    /// The processor's name. If CPUs have different names, each with the number of CPUs: `Cortex-A53 (4), Cortex-A72
    /// (2)`.
    pub fn model(&self) -> Option<String> {
        // If only some kinds of core are in the list, the others are shown by their numbers.
        let is_arm = self.cpus.iter().any(|cpu| arm(cpu).is_some());
        let of_arm = if is_arm { self.of_all(|cpu| arm(cpu).or_else(|| arm_numbers(cpu))) } else { None };
        let of_all = |key| self.of_all(|cpu| value(cpu, key).map(str::to_string));
        let old = || ["Model", "cpu model", "Processor"].iter().find_map(|key| self.first(key)).map(str::to_string);
        of_arm
            .or_else(|| of_all("model name"))
            .or_else(|| of_all("Model Name"))
            .or_else(|| self.s390())
            .or_else(|| self.of_all(riscv))
            .or_else(old)
            // `POWER9 (architected), altivec supported`
            .or_else(|| {
                self.of_all(|cpu| value(cpu, "cpu").map(|name| name.trim_end_matches(", altivec supported").into()))
            })
            .or_else(|| self.of_all(arm_numbers))
            .or_else(|| self.first("cpu").map(str::to_string))
    }

    fn of_all(&self, name: impl Fn(&[(&str, &str)]) -> Option<String>) -> Option<String> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for name in self.cpus.iter().filter_map(|cpu| name(cpu)) {
            *counts.entry(name).or_default() += 1;
        }
        super::cpu::one_or_counts(counts)
    }

    fn s390(&self) -> Option<String> {
        let vendor = self.first("vendor_id").filter(|vendor| vendor.contains("S390"))?;
        // Before Linux 4.11 it is only in the lines `processor 0: version = FF, identification = 0A1B28, machine =
        // 3931`.
        let in_line = || self.common.iter().find_map(|(_, text)| text.split("machine = ").nth(1));
        let machine = self.first("machine").or_else(in_line)?;
        let name = MAINFRAMES.iter().find(|(number, _)| *number == machine).map(|(_, name)| *name);
        Some(name.map_or_else(|| format!("{vendor} {machine}"), |name| format!("IBM {name} ({machine})")))
    }
}

fn value<'t>(fields: &[(&str, &'t str)], key: &str) -> Option<&'t str> {
    fields.iter().find(|(k, v)| *k == key && !v.is_empty()).map(|(_, v)| *v)
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// An ARM core by the numbers of its implementer and part.
fn arm(cpu: &[(&str, &str)]) -> Option<String> {
    let (implementer, part) = (hex(value(cpu, "CPU implementer")?)?, hex(value(cpu, "CPU part")?)?);
    ARM.iter().find(|(i, p, _)| (*i, *p) == (implementer, part)).map(|(_, _, name)| (*name).to_string())
}

/// A core that is not in the list.
fn arm_numbers(cpu: &[(&str, &str)]) -> Option<String> {
    Some(format!("ARM implementer {} part {}", value(cpu, "CPU implementer")?, value(cpu, "CPU part")?))
}

/// `sifive,u74-mc (sv39)`; if the device tree names no core, its instruction set: `rv64imafdc (sv39)`.
fn riscv(cpu: &[(&str, &str)]) -> Option<String> {
    let isa = || value(cpu, "isa").filter(|isa| isa.starts_with("rv")).and_then(|isa| isa.split('_').next());
    let name = value(cpu, "uarch").or_else(isa)?;
    Some(value(cpu, "mmu").map_or_else(|| name.to_string(), |mmu| format!("{name} ({mmu})")))
}

/// Names by machine type.
const MAINFRAMES: [(&str, &str); 17] = [
    ("2094", "z9 EC"),
    ("2096", "z9 BC"),
    ("2097", "z10 EC"),
    ("2098", "z10 BC"),
    ("2817", "z196"),
    ("2818", "z114"),
    ("2827", "zEC12"),
    ("2828", "zBC12"),
    ("2964", "z13"),
    ("2965", "z13s"),
    ("3906", "z14"),
    ("3907", "z14 ZR1"),
    ("8561", "z15"),
    ("8562", "z15 T02"),
    ("3931", "z16"),
    ("3932", "z16 A02"),
    ("9175", "z17"),
];

/// Implementer and part, from the kernel's `arch/arm64/include/asm/cputype.h` and the manufacturers' manuals.
const ARM: [(u32, u32, &str); 66] = [
    (0x41, 0xc05, "Cortex-A5"),
    (0x41, 0xc07, "Cortex-A7"),
    (0x41, 0xc08, "Cortex-A8"),
    (0x41, 0xc09, "Cortex-A9"),
    (0x41, 0xc0d, "Cortex-A17"),
    (0x41, 0xc0e, "Cortex-A17"),
    (0x41, 0xc0f, "Cortex-A15"),
    (0x41, 0xd01, "Cortex-A32"),
    (0x41, 0xd02, "Cortex-A34"),
    (0x41, 0xd03, "Cortex-A53"),
    (0x41, 0xd04, "Cortex-A35"),
    (0x41, 0xd05, "Cortex-A55"),
    (0x41, 0xd06, "Cortex-A65"),
    (0x41, 0xd07, "Cortex-A57"),
    (0x41, 0xd08, "Cortex-A72"),
    (0x41, 0xd09, "Cortex-A73"),
    (0x41, 0xd0a, "Cortex-A75"),
    (0x41, 0xd0b, "Cortex-A76"),
    (0x41, 0xd0c, "Neoverse-N1"),
    (0x41, 0xd0d, "Cortex-A77"),
    (0x41, 0xd0e, "Cortex-A76AE"),
    (0x41, 0xd40, "Neoverse-V1"),
    (0x41, 0xd41, "Cortex-A78"),
    (0x41, 0xd42, "Cortex-A78AE"),
    (0x41, 0xd44, "Cortex-X1"),
    (0x41, 0xd46, "Cortex-A510"),
    (0x41, 0xd47, "Cortex-A710"),
    (0x41, 0xd48, "Cortex-X2"),
    (0x41, 0xd49, "Neoverse-N2"),
    (0x41, 0xd4a, "Neoverse-E1"),
    (0x41, 0xd4b, "Cortex-A78C"),
    (0x41, 0xd4c, "Cortex-X1C"),
    (0x41, 0xd4d, "Cortex-A715"),
    (0x41, 0xd4e, "Cortex-X3"),
    (0x41, 0xd4f, "Neoverse-V2"),
    (0x41, 0xd80, "Cortex-A520"),
    (0x41, 0xd81, "Cortex-A720"),
    (0x41, 0xd82, "Cortex-X4"),
    (0x41, 0xd83, "Neoverse-V3AE"),
    (0x41, 0xd84, "Neoverse-V3"),
    (0x41, 0xd85, "Cortex-X925"),
    (0x41, 0xd87, "Cortex-A725"),
    (0x41, 0xd8e, "Neoverse-N3"),
    (0x42, 0x516, "Broadcom Vulcan"),
    (0x43, 0x0a1, "Cavium ThunderX"),
    (0x43, 0x0af, "Cavium ThunderX2"),
    (0x46, 0x001, "Fujitsu A64FX"),
    (0x48, 0xd01, "HiSilicon TSV110"),
    (0x48, 0xd02, "HiSilicon TSV120"),
    (0x4e, 0x003, "NVIDIA Denver 2"),
    (0x4e, 0x004, "NVIDIA Carmel"),
    (0x50, 0x000, "APM X-Gene"),
    (0x51, 0x800, "Qualcomm Kryo 2xx Gold"),
    (0x51, 0x801, "Qualcomm Kryo 2xx Silver"),
    (0x51, 0x802, "Qualcomm Kryo 3xx Gold"),
    (0x51, 0x803, "Qualcomm Kryo 3xx Silver"),
    (0x51, 0x804, "Qualcomm Kryo 4xx Gold"),
    (0x51, 0x805, "Qualcomm Kryo 4xx Silver"),
    (0x51, 0x001, "Qualcomm Oryon"),
    (0x51, 0xc00, "Qualcomm Falkor"),
    (0x61, 0x022, "Apple M1 Icestorm"),
    (0x61, 0x023, "Apple M1 Firestorm"),
    (0x61, 0x032, "Apple M2 Blizzard"),
    (0x61, 0x033, "Apple M2 Avalanche"),
    (0xc0, 0xac3, "Ampere-1"),
    (0xc0, 0xac4, "Ampere-1A"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> String {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/cpuinfo");
        std::fs::read_to_string(format!("{root}/{name}")).unwrap()
    }

    #[test]
    fn each_architecture_is_recognised() {
        for (name, model, cores, sockets) in [
            ("s390x", "IBM z16 (3931)", Some(3), Some(2)),
            ("ppc64le", "POWER9", None, None),
            ("loongarch64", "Loongson-3A5000-HV", Some(3), Some(1)),
            ("arm64", "Cortex-A53 (2), Cortex-A72 (2)", None, None),
            ("riscv64", "sifive,u74-mc (sv39)", None, None),
        ] {
            let text = text(name);
            let info = CpuInfo::parse(&text);
            assert_eq!(
                (info.model().as_deref(), info.cores(), info.sockets()),
                (Some(model), cores, sockets),
                "{name}"
            );
        }
    }

    #[test]
    fn x86_and_unusual_texts() {
        let model = |text: &str| CpuInfo::parse(text).model();
        let x86 = "processor\t: 0\nmodel\t\t: 106\nmodel name\t: Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz\nphysical id\t: 0\n\
                   core id\t\t: 0\n\nprocessor\t: 1\nmodel name\t: Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz\nphysical id\t: 0\n\
                   core id\t\t: 0\n";
        assert_eq!(model(x86).as_deref(), Some("Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz"));
        assert_eq!((CpuInfo::parse(x86).cores(), CpuInfo::parse(x86).sockets()), (Some(1), Some(1)));
        // A virtual POWER machine, whose own lines follow the CPUs.
        let power = "processor\t: 0\ncpu\t\t: POWER10 (architected), altivec supported\nclock\t\t: 2750.000000MHz\n\n\
                     timebase\t: 512000000\nmodel\t\t: IBM,9105-22A\nmachine\t\t: CHRP IBM,9105-22A\n";
        assert_eq!(model(power).as_deref(), Some("POWER10 (architected)"));
        // A core that is not in the list; a board that names itself; a compatible process of an old kernel.
        let arm = |part: &str| format!("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: {part}\n");
        assert_eq!(model(&arm("0xfff")).as_deref(), Some("ARM implementer 0x41 part 0xfff"));
        let board = arm("0xfff") + "\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi 4 Model B Rev 1.2\n";
        assert_eq!(model(&board).as_deref(), Some("Raspberry Pi 4 Model B Rev 1.2"));
        let two = arm("0xd0b") + "\n" + &arm("0xfff").replace(": 0\n", ": 1\n");
        assert_eq!(
            model(&two).as_deref(),
            Some("ARM implementer 0x41 part 0xfff (1), Cortex-A76 (1)"),
            "no core is left out"
        );
        let old = format!("Processor\t: ARMv7 Processor rev 10 (v7l)\n{}", arm("0xc09"));
        assert_eq!(model(&old).as_deref(), Some("Cortex-A9"));
        assert_eq!(
            model("processor : 0\nCPU implementer : 0x61\nCPU part : 0x022\n").as_deref(),
            Some("Apple M1 Icestorm")
        );
        let riscv = "processor\t: 0\nhart\t\t: 0\nisa\t\t: rv64imafdch_zicbom\nmmu\t\t: sv57\n";
        assert_eq!(model(riscv).as_deref(), Some("rv64imafdch (sv57)"));
        let before_4_11 = "vendor_id : IBM/S390\n# processors : 1\nprocessor 0: version = 00,  identification = 0123,  machine = 2817\n";
        assert_eq!(model(before_4_11).as_deref(), Some("IBM z196 (2817)"));
        assert_eq!(model("vendor_id : IBM/S390\n\ncpu number : 0\nmachine : 9999\n").as_deref(), Some("IBM/S390 9999"));
        assert_eq!((model(""), model("\n:\nprocessor : 0\n")), (None, None));
    }

    proptest::proptest! {
        #[test]
        fn any_text_does_no_harm(text in "((processor|cpu number|machine|isa|CPU part|vendor_id|x)[ \\t]?:?[ 0-9a-zA-Z/]{0,9}\n?){0,12}", any: String) {
            for text in [text, any] {
                let info = CpuInfo::parse(&text);
                let _ = (info.model(), info.cores(), info.sockets());
            }
        }
    }
}
