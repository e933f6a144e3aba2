mod checks;
mod exact;
mod limits;

use super::*;
use crate::container::{ArrayOutline, Container, Dtype, Header, Metadata, write};

/// A file of arrays, each with the bytes of its elements.
fn file(arrays: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Vec<u8> {
    let arrays = arrays.iter().map(|(name, dtype, shape, bytes)| {
        (ArrayOutline::new(*name, *dtype, *shape), bytes.as_slice())
    });
    write(arrays, Metadata::new()).unwrap()
}

/// A file of one array, `x`.
fn single(dtype: Dtype, elements: Vec<u8>) -> Vec<u8> {
    let count = elements.len() * 8 / dtype.bitsize();
    file(&[("x", dtype, &[count], elements)])
}

fn bytes<const N: usize, T: Copy>(numbers: &[T], to_bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    numbers.iter().flat_map(|it| to_bytes(*it)).collect()
}

fn header(file: &[u8]) -> Header {
    Container::read(file).unwrap().header().clone()
}

#[derive(Clone, Debug)]
struct Returned {
    site: String,
    weight: f64,
    kind: Kind,
    file: Vec<u8>,
}

fn full(site: &str, weight: f64, file: Vec<u8>) -> Returned {
    Returned {
        site: site.to_owned(),
        weight,
        kind: Kind::Full,
        file,
    }
}

fn diff(site: &str, weight: f64, file: Vec<u8>) -> Returned {
    Returned {
        kind: Kind::Diff,
        ..full(site, weight, file)
    }
}

fn begin(model: Option<&[u8]>, results: &[Returned], partial: bool) -> Result<Mean, MeanError> {
    let contributors = results.iter().map(|it| {
        let weight = Weight::new(it.weight).unwrap();
        Contributor::new(it.site.as_str(), weight, it.kind, header(&it.file))
    });
    Mean::new(
        "project",
        model.map(header),
        contributors.collect(),
        partial,
    )
}

/// The file of the mean.
fn mean_of(
    model: Option<&[u8]>,
    results: &[Returned],
    partial: bool,
) -> Result<Vec<u8>, MeanError> {
    let mut mean = begin(model, results, partial)?;
    let mut file = mean.header().bytes().to_vec();
    while let Some(read) = mean.poll_read() {
        let from = match read.source {
            Source::Model => model.unwrap(),
            Source::Result(site) => &results.iter().find(|it| it.site == site).unwrap().file,
        };
        let bytes = &from[read.range.start as usize..read.range.end as usize];
        mean.handle_read(bytes)?;
        while let Some(bytes) = mean.poll_write() {
            file.extend(bytes);
        }
    }
    assert_eq!(file.len() as u64, mean.header().file_length());
    Ok(file)
}

/// The elements of the mean of `x`.
fn elements(model: Option<&[u8]>, results: &[Returned]) -> Result<Vec<u8>, MeanError> {
    let file = mean_of(model, results, false)?;
    Ok(Container::read(&file).unwrap().bytes("x").unwrap().to_vec())
}
