//! Python packages: a virtual environment, and a Python 2.7 beside the system.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{Places, debian, once, program_path, run};

/// The last pip and setuptools for Python 2.7, and wheel to build with.
const PIP: &str = "20.3.4";
const TOOLS: [&str; 2] = ["setuptools==44.1.1", "wheel==0.37.1"];

/// Fills `.peers/venv` with what `requirements.txt` pins.
///
/// # Errors
/// When there is no Python 3 with venv, or pip fails.
pub(super) fn venv(places: &Places) -> Result<()> {
    // Debian's own, where there is one: a version manager's may be switched away under us.
    let debians = Path::new(debian::PYTHON3_VENV).exists();
    let python =
        if debians { Some(PathBuf::from("/usr/bin/python3")) } else { program_path("python3") };
    let Some(python) = python else { bail!("there is no Python 3") };
    let list = places.lists.join("requirements.txt");
    let folder = places.installed.join("venv");
    once(&folder, std::slice::from_ref(&list), || {
        run(Command::new(&python).args(["-m", "venv"]).arg(&folder))?;
        run(pip(&mut Command::new(folder.join("bin/python"))).args(["install", "-r"]).arg(&list))
            .map(drop)
    })
}

/// Unpacks Python 2.7 into `.peers/python2` and AutobahnTestSuite into `site` under it.
///
/// # Errors
/// When the packages cannot be had, or pip fails.
pub(super) fn python2(places: &Places) -> Result<()> {
    let lists =
        ["packages.txt", "requirements.txt"].map(|name| places.lists.join("python2").join(name));
    let [packages, requirements] = &lists;
    let folder = places.installed.join("python2");
    once(&folder, &lists, || {
        let text = fs::read_to_string(packages).context("cannot read the list of packages")?;
        let names: Vec<_> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect();
        debian::unpack_beside("bullseye", &names, &folder)?;
        let wheel = pip2_wheel(&folder)?;
        let site = folder.join("site");
        let install = |arguments: &[&str]| {
            let mut command = Command::new(folder.join("usr/bin/python2.7"));
            let path = format!("{}:{}", wheel.display(), site.display());
            command.env("LD_LIBRARY_PATH", libraries(&folder)).env("PYTHONPATH", path);
            run(pip(&mut command)
                .args(["install", "--prefer-binary", "--target"])
                .arg(&site)
                .args(arguments))
        };
        // Tools first: a source distribution is built with those that are already there.
        install(&TOOLS)?;
        install(&["-r", &requirements.to_string_lossy()]).map(drop)
    })
}

/// pip for Python 2.7 as the wheel from PyPI; it runs without being installed.
fn pip2_wheel(folder: &Path) -> Result<PathBuf> {
    let Some(python) = program_path("python3") else {
        bail!("there is no Python 3 to fetch pip with")
    };
    let tools = folder.join("tools");
    // A throw-away environment: Debian's Python 3 comes without pip.
    run(Command::new(python).args(["-m", "venv"]).arg(&tools))?;
    run(pip(&mut Command::new(tools.join("bin/python")))
        .args(["download", "--no-deps", "--python-version", "27", "--implementation", "py"])
        .args(["--abi", "none", "--platform", "any", "--only-binary", ":all:", "--dest"])
        .arg(folder)
        .arg(format!("pip=={PIP}")))?;
    fs::remove_dir_all(&tools).context("cannot remove a throw-away environment")?;
    let wheel = folder.join(format!("pip-{PIP}-py2.py3-none-any.whl"));
    if !wheel.exists() {
        bail!("pip {PIP} came under another name");
    }
    Ok(wheel)
}

fn pip(python: &mut Command) -> &mut Command {
    python.args(["-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input"])
}

/// Where the unpacked Python finds its libraries; the C library stays the system's.
fn libraries(folder: &Path) -> String {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    [folder.join("lib").join(&triplet), folder.join("usr/lib").join(&triplet)]
        .map(|path| path.display().to_string())
        .join(":")
}
