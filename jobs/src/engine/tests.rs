mod crashes;
mod explored;
mod rounds;
mod world;

use super::*;
use crate::job_file::JobFile;
use crate::mean::{Kind, Weight};

fn job_file(lines: &str) -> JobFile {
    JobFile::parse(&format!("name = \"plus\"\n{lines}"), &[]).unwrap()
}
