"""The Kubernetes manifests: accepted by the API's own schemas, confined, and in step with the rest of deploy/."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.samples import TOP

FOLDER = TOP / "deploy" / "kubernetes"
MANIFESTS = sorted(file for file in FOLDER.rglob("*.yaml") if file.name != "kustomization.yaml")
KUSTOMIZATIONS = sorted(file.parent for file in FOLDER.rglob("kustomization.yaml"))
# The oldest maintained release, and the newest with available schemas.
RELEASES = ("1.34", "1.37")


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


def rendered(folder: Path) -> list[dict[str, Any]]:
    """Return the output of kustomize for a folder; skip without kubectl."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl, which renders kustomizations, is not installed")
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def pod_of(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return found


PODS = [
    (file, document) for file in MANIFESTS for document in documents(file) if "template" in document.get("spec", {})
]
CONTAINERS = [
    pytest.param(document, container, id=f"{file.stem}-{container['name']}")
    for file, document in PODS
    for container in pod_of(document)["containers"]
]


def complete(manifest: dict[str, Any]) -> dict[str, Any]:
    """Add the selector that kustomize adds."""
    if manifest["kind"] == "Deployment":
        labels = {"app.kubernetes.io/name": "brain-mri"}
        manifest["spec"]["selector"] = {"matchLabels": labels}
        manifest["spec"]["template"]["metadata"] = {"labels": labels}
    return manifest


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.stem)
def test_manifest_fits_the_schemas_of_the_api(file: Path, release: str) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="requirements/dev.txt is not installed")
    for document in documents(file):
        validator.validate(complete(document), release, strict=True)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda folder: folder.name)
def test_rendered_kustomization_fits_the_schemas_of_the_api(folder: Path, release: str) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="requirements/dev.txt is not installed")
    manifests = rendered(folder)
    assert manifests
    for manifest in manifests:
        validator.validate(manifest, release, strict=True)


def test_misspelt_field_does_not_fit_the_schemas() -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="requirements/dev.txt is not installed")
    (manifest,) = documents(FOLDER / "base" / "service.yaml")
    manifest["spec"]["port"] = manifest["spec"].pop("ports")
    with pytest.raises(validator.ValidationError):
        validator.validate(manifest, RELEASES[0], strict=True)


@pytest.mark.parametrize(("manifest", "container"), CONTAINERS)
def test_container_is_confined(manifest: dict[str, Any], container: dict[str, Any]) -> None:
    together = {**pod_of(manifest)["securityContext"], **container["securityContext"]}
    assert together["readOnlyRootFilesystem"] is True
    assert together["allowPrivilegeEscalation"] is False
    assert together["capabilities"] == {"drop": ["ALL"]}
    assert together["runAsNonRoot"] is True
    assert together["runAsUser"] > 0
    assert together["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod_of(manifest)["automountServiceAccountToken"] is False


@pytest.mark.parametrize(("manifest", "container"), CONTAINERS)
def test_container_says_what_it_needs_and_writes_to_volumes_alone(
    manifest: dict[str, Any], container: dict[str, Any]
) -> None:
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]
    assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod_of(manifest)["volumes"]}
    for mount in container["volumeMounts"]:
        assert "sizeLimit" in volumes[mount["name"]].get("emptyDir", {"sizeLimit": ""})


def test_probes_ask_what_the_app_answers() -> None:
    (deployment,) = documents(FOLDER / "base" / "deployment.yaml")
    app = pod_of(deployment)["containers"][0]
    asked = {name: app[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert asked == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}


def test_proxy_has_the_shipped_configuration() -> None:
    assert (FOLDER / "base" / "nginx.conf").read_bytes() == (TOP / "deploy" / "nginx.conf").read_bytes(), (
        "run `make kubernetes`"
    )


def test_user_is_that_of_the_image() -> None:
    dockerfile = (TOP / "Dockerfile").read_text(encoding="utf-8")
    for _, document in PODS:
        app = pod_of(document)["containers"][0]
        user = app["securityContext"].get("runAsUser") or pod_of(document)["securityContext"]["runAsUser"]
        assert f"USER {user}:" in dockerfile


def test_job_has_as_many_shards_as_pods_and_names_them_to_the_scan() -> None:
    from model.scan.command import _parser

    (job,) = documents(FOLDER / "scan" / "job.yaml")
    container = pod_of(job)["containers"][0]
    variables = {variable["name"]: variable for variable in container["env"]}
    assert int(variables["N_SHARDS"]["value"]) == job["spec"]["completions"]
    assert "job-completion-index" in variables["SHARD"]["valueFrom"]["fieldRef"]["fieldPath"]
    arguments = [argument.replace("$(SHARD)/$(N_SHARDS)", "0/8") for argument in container["args"]]
    options = _parser().parse_args(arguments)
    assert (options.shard, options.resume, options.allow_failed) == ("0/8", True, True)


def test_overlay_for_a_bucket_changes_what_it_means_to() -> None:
    job = next(manifest for manifest in rendered(FOLDER / "overlays" / "scan-s3") if manifest["kind"] == "Job")
    container = pod_of(job)["containers"][0]
    assert container["args"][0] == "s3://archive/mri"
    assert [argument for argument in container["args"] if "decoders" in argument] == ["--decoders=8"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/results", "/tmp"}


def test_autoscaler_never_takes_the_last_pods_of_production() -> None:
    manifests = {manifest["kind"]: manifest for manifest in rendered(FOLDER / "overlays" / "production")}
    assert manifests["HorizontalPodAutoscaler"]["spec"]["minReplicas"] > 1
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
    assert manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
    assert "replicas" not in manifests["Deployment"]["spec"]
