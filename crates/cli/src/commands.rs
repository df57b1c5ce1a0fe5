//! What a program can tell of its own command line: completion scripts and manual pages.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Command, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;

/// Commands that every program has.
#[derive(Debug, Subcommand)]
pub enum Docs {
    /// Print a shell's completion script.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, or write those of all commands.
    Man {
        /// Write them to this directory, one file a page.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

impl Docs {
    /// Tells what is asked of `command`, to `out` or to files.
    ///
    /// # Errors
    /// Those of writing.
    pub fn tell(&self, mut command: Command, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Completions { shell } => {
                let name = command.get_name().to_owned();
                // It would panic where nobody reads on.
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut command, name, &mut script);
                out.write_all(&script)
            }
            Self::Man { dir: None } => Man::new(command).render(out),
            Self::Man { dir: Some(dir) } => {
                fs::create_dir_all(dir)?;
                clap_mangen::generate_to(command, dir)
            }
        }
    }
}
