//! What the fuzz targets in `fuzz/` run, so that it is compiled and tested here.

use safetensors::SafeTensors;

use crate::container::{Container, Header, Tree};

/// Any bytes as a container: what is read is what the safetensors crate reads, and is
/// written again as the same arrays.
pub fn container(bytes: &[u8]) {
    let Ok(read) = Container::read(bytes) else {
        return;
    };
    let header = read.header();
    let genuine = SafeTensors::deserialize(bytes).expect("what is read here is a safetensors file");
    assert_eq!(genuine.len(), header.arrays().len());
    for array in header.arrays() {
        let same = genuine.tensor(array.name()).expect("an array of this name");
        assert_eq!(same.dtype(), array.dtype());
        assert_eq!(same.shape(), array.shape());
        assert_eq!(Some(same.data()), read.bytes(array.name()));
    }
    let outlines = || header.arrays().iter().map(|it| it.outline().clone());
    let ours = Header::new(outlines(), header.metadata().clone()).expect("a header that was read");
    let reversed = Header::new(
        outlines().collect::<Vec<_>>().into_iter().rev(),
        header.metadata().clone(),
    );
    assert_eq!(reversed.as_ref(), Ok(&ours));
    assert_eq!(
        Header::read(ours.bytes(), ours.file_length()).as_ref(),
        Ok(&ours)
    );
    if let Some(tree) = read.tree() {
        assert_eq!(Tree::from_json(&tree.to_json()).as_ref(), Ok(tree));
    }
}
