//! Comparison of files by their paths.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sys::link_id;

/// Compares the files of two paths. A pipe or a device such as `/dev/null` is never the same: several flags may use it.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let [of_one, of_other] = [one, other].map(|path| fs::metadata(path).ok());
    if [&of_one, &of_other].into_iter().flatten().any(|metadata| !metadata.is_file()) {
        return false;
    }
    // Hard links have different paths.
    let ids = of_one.zip(of_other).and_then(|(one, other)| Some((link_id(&one)?, link_id(&other)?)));
    ids.is_some_and(|(one, other)| one == other) || resolved(one) == resolved(other)
}

/// Returns the path of a file that may not exist yet, without links and `..` in its directory.
fn resolved(path: &Path) -> PathBuf {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::canonicalize(path), fs::canonicalize(directory), path.file_name()) {
        (Ok(path), ..) => path,
        (_, Ok(directory), Some(name)) => directory.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_file_is_the_same_by_any_of_its_names() {
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name);
        File::create(path("a")).unwrap();
        fs::create_dir(path("sub")).unwrap();
        assert!(is_same_file(&path("a"), &path("sub/../a")));
        assert!(is_same_file(&path("new"), &path("sub/../new")), "it does not exist yet");
        assert!(!is_same_file(&path("a"), &path("new")));
        fs::hard_link(path("a"), path("b")).unwrap();
        assert!(cfg!(windows) || is_same_file(&path("a"), &path("b")));
        let null = Path::new("/dev/null");
        assert!(!is_same_file(null, null));
    }
}
