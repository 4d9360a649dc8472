//! What a run was measured on.
//!
//! Not here: how the numbers of a machine compare (`records/`).

use crate::result::Machine;

impl Machine {
    /// This machine. The processor's name is the one it gives itself, or its architecture where
    /// the system does not tell.
    ///
    /// # Example
    /// ```
    /// let machine = hoyer::result::Machine::here();
    /// assert!(machine.cores >= 1 && !machine.cpu.is_empty());
    /// ```
    pub fn here() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = name_in(&text).unwrap_or_else(|| std::env::consts::ARCH.into());
        Self { cpu, cores }
    }
}

fn name_in(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_as_it_names_itself() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC 7763\nflags\t: fpu\n";
        assert_eq!(name_in(text).as_deref(), Some("AMD EPYC 7763"));
        assert_eq!(name_in("processor : 0\n"), None);
    }
}
