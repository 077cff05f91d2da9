//! The OCI images of the modules: what is in them, and that those who pull such images get the module
//! out of them, from a real registry into a real Envoy.

mod bill;
mod content;
mod docs;
mod native;
mod puller;
mod registry;
mod running;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use package::image::Built;
use tempfile::TempDir;

/// The images, made once for all tests.
struct Image {
    folder: TempDir,
    built: Built,
}

impl Image {
    fn folder(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder().join(name)).unwrap()
    }
}

fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let built =
            package::image::write(&module(), &native::modules(), &folder.path().join("image"))
                .unwrap();
        Image { folder, built }
    })
}

fn module() -> Vec<u8> {
    std::fs::read(tests::module().unwrap()).unwrap()
}

/// The content of a blob of the image's layout.
fn blob(folder: &Path, digest: &str) -> Vec<u8> {
    std::fs::read(folder.join("blobs").join(digest.replace(':', "/"))).unwrap()
}
