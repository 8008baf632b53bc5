//! Which files belong to a centre, and where they lie in an archive.
//!
//! The archive is laid out as the folder of the configuration, so that a restored folder starts as it is. What lies
//! elsewhere goes to `outside/`, and the manifest says which paths of the configuration have to be adapted.

use crate::config::Config;
use ::backup::{Manifest, Moved, Part};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// Folder of the history inside the data directory.
pub(super) const HISTORY: &str = "history";
/// Where the data go when their directory lies outside the configuration's folder.
const DATA: &str = "data";

/// A file of the configuration.
pub(super) struct Wanted {
    pub(super) part: Part,
    pub(super) name: String,
    pub(super) from: PathBuf,
}

/// Folder of the data inside the archive.
pub(super) fn data_folder(config: &Config) -> String {
    let base = folder_of(&config.file);
    inside(base, &config.data.directory).unwrap_or_else(|| DATA.to_owned())
}

/// The configuration and every file that it names. What has to be adapted after a restore is noted in the manifest.
pub(super) fn files(config: &Config, manifest: &mut Manifest) -> Vec<Wanted> {
    let base = folder_of(&config.file);
    let main = config.file.file_name().map(|name| name.to_string_lossy().into_owned());
    manifest.config = main.clone();
    let mut taken: BTreeSet<String> = main.iter().cloned().collect();
    let mut wanted: Vec<Wanted> =
        main.into_iter().map(|name| Wanted { part: Part::Config, name, from: config.file.clone() }).collect();
    note_moved(config, &config.data.directory, &data_folder(config), manifest);
    for (part, from) in named(config) {
        if wanted.iter().any(|file| file.from == from) {
            continue;
        }
        let name = inside(base, &from).unwrap_or_else(|| outside(&from, &taken));
        note_moved(config, &from, &name, manifest);
        taken.insert(name.clone());
        wanted.push(Wanted { part, name, from });
    }
    // Without the key nobody's authenticator would be known to a restored centre.
    let key = config.data.directory.join(crate::identity::KEY_FILE);
    if config.identity.key_file.is_none() && key.exists() {
        let name = format!("{}/{}", data_folder(config), crate::identity::KEY_FILE);
        wanted.push(Wanted { part: Part::Keys, name, from: key });
    }
    wanted
}

/// Files that the configuration names, with their part.
fn named(config: &Config) -> Vec<(Part, PathBuf)> {
    let mut files = vec![(Part::Config, config.network.file.clone())];
    files.extend(config.points.iter().chain(&config.alarms.rules).map(|file| (Part::Config, file.clone())));
    files.extend(config.identity.key_file.iter().map(|file| (Part::Keys, file.clone())));
    let signs = crate::audit::key::private_file(&config.data.directory);
    if signs.is_file() {
        files.push((Part::Keys, signs));
    }
    for tls in config.link.iter().filter_map(|link| link.protocol.tls()) {
        files.push((Part::Config, tls.ca));
        files.push((Part::Config, tls.certificate));
        files.push((Part::Keys, tls.key));
    }
    files
}

/// A path that the configuration says in a way that leads elsewhere after a restore in another folder.
fn note_moved(config: &Config, path: &Path, to: &str, manifest: &mut Manifest) {
    let absolute = path.is_absolute() && config.text.contains(&*path.to_string_lossy());
    if (absolute || inside(folder_of(&config.file), path).is_none())
        && !manifest.moved.iter().any(|moved| moved.to == to)
    {
        manifest.moved.push(Moved { from: path.display().to_string(), to: to.to_owned() });
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// The path relative to the folder, if it stays inside.
fn inside(base: &Path, path: &Path) -> Option<String> {
    let relative = path.strip_prefix(base).ok()?;
    let mut parts = Vec::new();
    for part in relative.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::ParentDir => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn outside(path: &Path, taken: &BTreeSet<String>) -> String {
    let name = path.file_name().map_or_else(|| "file".into(), |name| name.to_string_lossy());
    let names = (0_u32..).map(|number| match number {
        0 => format!("outside/{name}"),
        number => format!("outside/{number}-{name}"),
    });
    names.into_iter().find(|name| !taken.contains(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_inside_keeps_its_place_and_the_rest_does_not_leave_the_archive() {
        let check = |base: &str, path: &str, wanted: Option<&str>| {
            assert_eq!(inside(Path::new(base), Path::new(path)).as_deref(), wanted, "{path} from {base}");
        };
        check("etc", "etc/net/a.m", Some("net/a.m"));
        check("etc", "etc/./a.m", Some("a.m"));
        check("etc", "etc/../a.m", None);
        check("etc", "/grid/a.m", None);
        check("/etc", "/etc/a.m", Some("a.m"));
        check("", "a.m", Some("a.m"));
        check("etc", "etc", None);
        let mut taken = BTreeSet::new();
        assert_eq!(outside(Path::new("/x/a.m"), &taken), "outside/a.m");
        taken.insert("outside/a.m".to_owned());
        assert_eq!(outside(Path::new("/y/a.m"), &taken), "outside/1-a.m");
    }
}
