//! How much memory this process has, in KiB, as Linux counts it.

/// Now.
pub fn now() -> u64 {
    field("VmRSS:")
}

/// The most since [`forget_peak`].
pub fn peak() -> u64 {
    field("VmHWM:")
}

pub fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("this is Linux");
}

fn field(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with(name)).expect("it is there");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}
