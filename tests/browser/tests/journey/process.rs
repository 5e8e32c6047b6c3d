//! A program in the background.

use std::io::{BufRead, BufReader, copy, sink};
use std::process::{Child, Command, Stdio};
use std::thread;

/// A running program, stopped at the end.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a program and waits for the line in which it says that it is ready; gives what stands behind `ready`.
    pub fn start(command: &mut Command, ready: &str) -> (Self, String) {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let child = spawned.unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
        let mut process = Self { child };
        let mut stdout = BufReader::new(process.child.stdout.take().unwrap());
        let mut printed = String::new();
        loop {
            let start = printed.len();
            let size = stdout.read_line(&mut printed).unwrap();
            assert!(size > 0, "{} did not start: {printed}", command.get_program().display());
            if let Some((_, rest)) = printed[start..].split_once(ready) {
                // It goes on writing, and must not stop at a full or broken pipe.
                thread::spawn(move || copy(&mut stdout, &mut sink()));
                return (process, rest.to_owned());
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
