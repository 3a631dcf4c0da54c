"""The faults covered by quick tests, with their tests; and remarks on what no test shows."""

from tests.support.samples import TOP

NOTES = TOP / "runs" / "faults.json"
# By row: the fault, and its tests as file:beginning of their names.
QUICK: dict[str, tuple[str, tuple[str, ...]]] = {
    "A1": ("no file, an empty one, one in another field, too many", (
        "bad_input:test_empty_file", "bad_input:test_form_without_file", "bad_input:test_file_under_another_name",
        "bad_input:test_multipart_without_boundary", "bad_input:test_more_files_than_allowed")),
    "A2": ("a body over the limit, with and without its length", (
        "bad_input:test_upload_over_the_limit", "bad_input:test_upload_without_length",
        "start:test_client_that_sends")),
    "A3": ("1001 parts; a text field and a form of 200 kB", (
        "bad_input:test_body_of_a_thousand", "bad_input:test_long_text", "bad_input:test_long_urlencoded")),
    "A4": ("MAX_FORM_MEMORY_SIZE", ("bad_input:test_text_fields_may_be",)),
    "A5": ("other kinds of file named .png; other parsers of Pillow raise when called", (
        "bad_input:test_other_kind_of_file", "one_file:test_no_other_parser")),
    "A6": ("names that contradict the content", (
        "bad_input:test_name_says_nothing", "one_file:test_path_and_bytes", "many_files:test_name_in_a_zip")),
    "A7": ("several images in one file", (
        "bad_input:test_only_the_first", "one_file:test_only_the_first", "one_file:test_first_picture_of_a_camera")),
    "A8": ("images that claim too many pixels", ("bad_input:test_picture_that_claims", "one_file:test_pixel_bomb")),
    "A9": ("64 MB of PNG text, endless and overlong TIFF directories, lines of pixels", (
        "damaged_input:test_tiff_that", "damaged_input:test_line_of_pixels", "one_file:test_png_with_a_bomb")),
    "A10": ("files of every format cut off at 1 to 99 %", (
        "bad_input:test_cut_off", "bad_input:test_pillow_is_not_told", "header:test_cut_off", "nifti:test_cut_off",
        "many_files:test_cut_off")),
    "A11": ("one wrong byte", (
        "damaged_input:test_answer_to_a_picture", "one_file:test_damaged_png", "nifti:test_flipped_bit")),
    "A12": ("deflated DICOM", ("header:test_deflated",)),
    "A13": ("DICOM without pixels, with impossible claims, of other kinds", (
        "damaged_input:test_dicom_without", "header:test_size_that", "header:test_impossible",
        "header:test_sequence_nested",
        "pixels:test_syntax_without", "pixels:test_codestream", "decoder:test_damage_that_aborts")),
    "A14": ("MONOCHROME1, rescale, windows, frames; one slice in every format", (
        "window:test_monochrome1", "window:test_window_is_applied", "window:test_slice_without_window",
        "series:test_multi_frame", "many_files:test_one_slice_gets")),
    "A15": ("gzip bomb, sizes and offsets that lie, NaN, 2-D, 4-D, MINC, ANALYZE", (
        "nifti:test_gzip_bomb", "nifti:test_size_that", "nifti:test_voxels_outside", "nifti:test_nan_and",
        "nifti:test_one_slice", "nifti:test_4d", "nifti:test_minc", "nifti:test_what_is_no_volume")),
    "A16": ("every kind of pixels, 8 and 16 bits, EXIF orientations", (
        "bad_input:test_every_kind", "bad_input:test_eight_and", "bad_input:test_size_of",
        "one_file:test_every_exif")),
    "A17": ("black, white, noise, a cat, a photograph, pages, coins (no knee: none is at hand that may be shipped)", (
        "other_pictures:",)),
    "A18": ("hostile file names", ("bad_input:test_name_of_a_file",)),
    "A19": ("mutations of 30 seeds by Hypothesis, ten of each here and 200 in `make test-all`; `make fuzz`", (
        "fuzz:test_damaged", "fuzz:test_seed", "fuzz:test_there", "header:test_any_damage", "nifti:test_any_damage")),
    "A20": ("a reader that ends, aborts or hangs over a file", (
        "readers:test_file_over", "readers:test_only_the_file")),
    "A21": ("requests made from the OpenAPI document", ("openapi:test_no_request_gets",)),
    "B2": ("a request beyond the places, and one that waits too long", (
        "overload:test_request_beyond", "overload:test_picture_that_waits", "overload:test_place")),
    "B11": ("the rate limit, and forged addresses", ("rate_limit:test_",)),
    "B6": ("the guarded worker alone, with a second instead of fifteen", ("worker:test_request_that_stalls",
        "worker:test_many_more", "worker:test_client_that_drips")),
    "B7": ("clients that do not close; large answers and uploads at usual speed", (
        "worker:test_clients_that_do_not", "worker:test_large", "worker:test_sixty",
        "worker:test_upload_at")),
    "C11": ("no time is measured by the clock of the day", ("architecture:test_time_is_measured",)),
    "C12": ("--preload", ("worker:test_models_loaded",)),
    "C13": ("bad and unknown settings, missing and altered weights", (
        "start:test_bad_setting", "start:test_missing_or_altered", "settings:test_")),
    "D1": ("weights with a flipped bit, cut off, empty, missing, of another model", (
        "model_integrity:test_weights", "model_integrity:test_broken", "model_integrity:test_command",
        "classifier:test_missing", "start:test_missing_or_altered")),
    "D2": ("an edited card; exchanged weights whose SHA-256 is in the card", (
        "model_integrity:test_edited", "model_integrity:test_another_model", "model_integrity:test_model_that",
        "classifier:test_card_that")),
    "D3": ("a Lambda, a lookup of a path, zip and shape bombs as the weights", ("model_integrity:test_hostile",)),
    "P1": ("temporary files are refused to Werkzeug", ("bad_input:test_large_upload",)),
    "P2": ("names in DICOM, NIfTI and file names, log level DEBUG", (
        "header:test_names", "nifti:test_free_text", "bad_input:test_name_of_a_file")),
    "P3": ("headers; addresses of others in a page", ("headers:test_every_answer", "pages:test_page_asks_nothing")),
    "P4": ("an image with EXIF, text and a colour profile", ("privacy:test_pictures_that_come_back",)),
    "P5": ("connecting raises", ("privacy:test_classifying",)),
    "P6": ("burned-in annotations, secondary captures", ("suitability:test_burned", "suitability:test_secondary")),
    "P7": ("the limits that the worker has", ("worker:test_worker_writes",)),
    "F1": ("hadolint", ("packaging:test_hadolint",)),
    "F4": ("versions and hashes of everything that is installed; `make test-all` installs from them", (
        "locks:test_everything_locked", "packaging:test_everything_that_make", "packaging:test_image_installs")),
    "F5": ("the lowest versions that are let in", ("locks:test_lock_holds_no_version",)),
    "F6": ("compose.yaml, nginx.conf, YAML", (
        "packaging:test_service", "packaging:test_app_is_reached", "packaging:test_proxy", "packaging:test_nginx",
        "packaging:test_yamllint")),
}  # fmt: skip
# What was not made here, and why.
REMARKS = {
    "A7": "MPO and animated files: the first image is read, with a note.",
    "B2": "Behind the shipped nginx at least 90 % of the peak is answered, per core that the sender leaves to the "
    "service. Straight at gunicorn it is less, because refusals need the same cores: the test asks for 75 and 60 %, "
    "at 200 and 400 % of the peak. A refusal takes less than half the time of an answer (medians). Only --full, on "
    "an idle machine, asks for less than 100 ms.",
    "B3": "Probes take less than half the time of an answer (medians). Only --full asks for less than 250 ms.",
    "B5": "A client that drips into a body a byte each 5 s stays below nginx's client_body_timeout of 10 s and keeps "
    "its connection (one of 1024, 32 an address), but no thread of the app.",
    "C3": "/readyz does not say 503 first: gunicorn closes its listener at once, and nginx tries nobody else.",
    "C11": "libfaketime was not used. gunicorn's timeouts also use the monotonic clock. The rate limit uses the clock "
    "of the day: a jump can lengthen or shorten one wait.",
    "D1": "An app whose model is refused does not start (exit code 4). It does not answer 503 at /readyz.",
    "D4": "`python -m benchmarks engines` compares engines on 200 images: largest difference of a probability, and "
    "changed classes. Only OpenVINO is served.",
    "F2": "Tried by hand with buildah on Debian in place of the base image: it builds; user 10001, no compiler, 749 "
    "MB.",
    "F3": "Tried by hand: that image's tree read-only, with a tmpfs at /tmp, as user 10001, without a network: ready "
    "after 14 s on a busy machine, the sample glioma.jpg got glioma 0.99, exit code 0 at SIGTERM; only keras.json "
    "was written.",
}
