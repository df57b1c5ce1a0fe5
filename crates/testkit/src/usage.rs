//! Resource usage of running processes, from /proc.

use std::{collections::HashMap, fs};

/// Returns the resident memory of a process, in bytes.
pub fn resident_bytes(pid: u32) -> u64 {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {path}: {error}"));
    let kibibytes: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or_else(|| panic!("{path} has no VmRSS: the process has ended"));
    kibibytes * 1024
}

/// Returns the processor time (user and system) that the processes have used so far, in seconds.
/// Processes that no longer exist do not count.
pub fn cpu_seconds(pids: &[u32]) -> f64 {
    let ticks: u64 = pids.iter().filter_map(|&pid| Stat::read(pid)).map(|stat| stat.cpu_ticks).sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// Returns the number of open file descriptors of a process.
pub fn open_descriptors(pid: u32) -> usize {
    let path = format!("/proc/{pid}/fd");
    fs::read_dir(&path).unwrap_or_else(|error| panic!("cannot read {path}: {error}")).count()
}

/// Returns the number of threads of a process.
///
/// # Panics
///
/// Panics if the process does not exist.
pub fn threads(pid: u32) -> usize {
    let path = format!("/proc/{pid}/task");
    fs::read_dir(&path).unwrap_or_else(|error| panic!("cannot read {path}: {error}")).count()
}

/// Returns a process and all its descendants, the process itself first.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let processes = fs::read_dir("/proc").expect("/proc is mounted");
    for pid in processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()) {
        if let Some(stat) = Stat::read(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(member) = family.get(next) {
        family.extend(children.remove(member).unwrap_or_default());
        next += 1;
    }
    family
}

/// The fields of /proc/PID/stat that are used here. See proc_pid_stat(5) for their positions.
struct Stat {
    parent: u32,
    cpu_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the name of the program in parentheses, which may itself contain spaces and
        // parentheses.
        let (_, after_name) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = after_name.split(' ').collect();
        let number = |place: usize| fields.get(place - 3)?.parse::<u64>().ok();
        Some(Self { parent: u32::try_from(number(4)?).ok()?, cpu_ticks: number(14)? + number(15)? })
    }
}

/// Returns true if all threads of a process are stopped by a signal (`T`, proc(5)). A signal takes effect
/// some time after it is sent.
pub(crate) fn is_stopped(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('T'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs::File,
        process,
        time::{Duration, Instant},
    };

    #[test]
    fn resident_memory_grows_with_what_is_touched() {
        const SIZE: usize = 64 << 20;
        let before = resident_bytes(process::id());
        let touched = vec![1u8; SIZE];
        let after = resident_bytes(process::id());
        assert!(after >= before + (SIZE as u64) / 2, "{before} then {after}");
        assert_eq!(touched[SIZE - 1], 1);
    }

    #[test]
    fn processor_time_grows_with_work() {
        let before = cpu_seconds(&[process::id()]);
        let deadline = Instant::now() + Duration::from_secs(60);
        while cpu_seconds(&[process::id()]) < before + 0.05 {
            assert!(Instant::now() < deadline, "a busy loop used no processor time");
        }
    }

    #[test]
    fn a_process_that_is_gone_used_no_time() {
        assert!(cpu_seconds(&[u32::MAX]).abs() < f64::EPSILON);
    }

    #[test]
    fn open_files_are_counted() {
        let files: Vec<File> = (0..100).map(|_| File::open("/dev/null").unwrap()).collect();
        assert!(open_descriptors(process::id()) > files.len());
    }
}
