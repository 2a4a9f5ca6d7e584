//! The reports that there are: those that are shipped and those of a user's own directory.

use std::path::Path;
use std::sync::OnceLock;

use super::definition::Definition;
use super::learned::Told;
use crate::limits::REPORT_FILE_BYTES_MAX;
use crate::model::suggest::suggest;
use crate::query::library::Library;
use crate::query::library::place::Origin;
use crate::query::textfile;

/// Name and text of every shipped report, as the build script lists them.
pub(super) const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/reports.rs"));

/// Reports by name.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    reports: Vec<Definition>,
}

impl Catalogue {
    /// The reports that this program brings, over the questions that it brings.
    pub fn shipped() -> &'static Catalogue {
        static SHIPPED: OnceLock<Catalogue> = OnceLock::new();
        SHIPPED.get_or_init(|| {
            Catalogue::over(Library::shipped()).expect("a test reads every shipped report")
        })
    }

    /// The shipped reports over the questions of `library`, among which may be a user's own in the
    /// place of shipped ones.
    pub fn over(library: &Library) -> Result<Catalogue, String> {
        let reports = FILES.iter().map(|(name, text)| {
            let origin = Origin::shipped(&format!("queries/report/{name}.toml"));
            Definition::parse(name, &origin, text, library)
        });
        Ok(Catalogue {
            reports: reports.collect::<Result<_, _>>()?,
        })
    }

    /// The shipped reports and those of the files `*.toml` in `directory`, which go before shipped
    /// ones of the same name and may use the questions of `library`. An error names the file and
    /// the line.
    pub fn with_directory(directory: &Path, library: &Library) -> Result<Catalogue, String> {
        Catalogue::read(directory, library).map_err(textfile::brief)
    }

    fn read(directory: &Path, library: &Library) -> Result<Catalogue, String> {
        let mut catalogue = Catalogue::over(library)?;
        let unreadable = |error: std::io::Error| {
            format!("directory of reports {}: {error}", directory.display())
        };
        let mut files = std::fs::read_dir(directory)
            .map_err(unreadable)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(unreadable)?;
        files.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        });
        files.sort();
        for path in files {
            let shown = path.display().to_string();
            let name = path.file_stem().and_then(|stem| stem.to_str());
            let name = name.ok_or_else(|| format!("{shown}: its name is no text; rename it"))?;
            let text = textfile::read(&path, REPORT_FILE_BYTES_MAX)?;
            let origin = Origin::own(&shown, &format!("{name}.toml"));
            let definition = Definition::parse(name, &origin, &text, library)?;
            definition.check()?;
            catalogue
                .reports
                .retain(|known| known.name != definition.name);
            catalogue.reports.push(definition);
        }
        catalogue.reports.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(catalogue)
    }

    /// Adds what a server can make, over the questions of `library`, and this program does not know.
    pub fn learn(&mut self, told: &[Told], library: &Library) {
        let new = told.iter().filter(|told| self.get(told.name()).is_err());
        let learned: Vec<_> = new.filter_map(|told| told.learned(library)).collect();
        self.reports.extend(learned);
        self.reports.sort_by(|a, b| a.name.cmp(&b.name));
        self.reports.dedup_by(|a, b| a.name == b.name);
    }

    /// All of them, by name.
    pub fn reports(&self) -> &[Definition] {
        &self.reports
    }

    /// The report with this name, or what to say about it.
    pub fn get(&self, name: &str) -> Result<&Definition, String> {
        let known = self.reports.iter().find(|report| report.name == name);
        known.ok_or_else(|| {
            let names = self.reports.iter().map(|report| report.name.as_str());
            format!("there is no report {name:?}; {}", suggest(name, names))
        })
    }
}
