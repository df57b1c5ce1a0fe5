use std::env;
use std::path::{Path, PathBuf};

const EXTENSIONS: [&str; 4] = ["yaml", "yml", "toml", "json"];

/// Returns the file that a program reads without `--config`: `NAME.yaml`, `.yml`, `.toml` or `.json` in the working directory
/// or in `HOME`, in this order.
pub fn find(name: &str) -> Option<PathBuf> {
    let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    find_in([PathBuf::from(".")].into_iter().chain(home), name)
}

fn find_in(directories: impl IntoIterator<Item = impl AsRef<Path>>, name: &str) -> Option<PathBuf> {
    directories.into_iter().find_map(|directory| {
        let mut files =
            EXTENSIONS.iter().map(|extension| directory.as_ref().join(format!("{name}.{extension}")));
        files.find(|file| file.is_file())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_first_directory_that_has_a_file_counts() {
        let (near, home) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let found = || find_in([near.path(), home.path()], ".proxy");
        assert_eq!(found(), None);
        for (directory, file) in
            [(&home, ".proxy.yaml"), (&near, ".proxy.json"), (&near, ".proxy.toml"), (&near, ".proxy.yml")]
        {
            let path = directory.path().join(file);
            fs::write(&path, "").unwrap();
            assert_eq!(found(), Some(path));
        }
    }
}
