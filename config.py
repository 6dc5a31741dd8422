"""Every setting of the tutorial, in one place.

The notebooks read these names (`config.NEMO_URL`). Change a value here, or set an environment variable of the same
name, which wins. Three URLs, a token and PROFILE take you from this machine to a cluster.
"""

import os as _os

from helpers.errors import SettingError as _SettingError


def _setting(name, default):
    """The environment variable `name` in the type of its default, else the default."""
    text = _os.environ.get(name)
    if text is None:
        return default
    try:
        return type(default)(text)
    except ValueError:
        kind = {int: "a whole number", float: "a number"}[type(default)]
        raise _SettingError(
            f"{name} must be {kind}, not {text!r}.",
            now="an environment variable of that name, or what was given to make, says so; nothing was started.",
            next_step=f"correct or remove it; config.py itself says {default}.",
        ) from None


# --- Where the services are. Leave all three empty to use local_nemo on this machine: it is started when needed. ------
NDS_URL = _setting("NDS_URL", "")  # Data Store
NEMO_URL = _setting("NEMO_URL", "")  # Entity Store, Customizer, Evaluator, Guardrails, Deployment Management
NIM_URL = _setting("NIM_URL", "")  # NIM: inference

# --- Keys. Each is sent to the one service it belongs to, and written nowhere. -----------------------------------------
NDS_TOKEN = _setting("NDS_TOKEN", "token")  # Data Store; local_nemo and a default installation accept any text
HF_TOKEN = _setting("HF_TOKEN", "")  # Hugging Face hub: needed for the gated xLAM dataset only
WANDB_API_KEY = _setting("WANDB_API_KEY", "")  # (optional) watch the training in Weights & Biases
NVIDIA_API_KEY = _setting("NVIDIA_API_KEY", "")  # (optional) the hosted content-safety model of build.nvidia.com

# --- What is trained, on what, for how long. ----------------------------------------------------------------------------
# laptop: the tutorial on two CPU cores.  ci: the same story in minutes, with a weaker model.
# long: twice over all rows, up to two hours on two cores.  cluster: the published run on NeMo Microservices with two GPUs.
PROFILE = _setting("PROFILE", "laptop")

_LOCAL = {"BASE_MODEL": "huggingfacetb/smollm2-135m-instruct", "BASE_MODEL_VERSION": "v1.0.0+cpu", "DATASET": "bfcl"}
PROFILES = {
    "laptop": _LOCAL | {
        "NUM_EXAMPLES": 1350, "EPOCHS": 1, "MAX_STEPS": 116, "BATCH_SIZE": 4, "LEARNING_RATE": 2e-3,
        "ADAPTER_DIM": 16, "ADAPTER_DROPOUT": 0.0, "EVAL_LIMIT": 0,
    },
    "ci": _LOCAL | {
        "NUM_EXAMPLES": 160, "EPOCHS": 1, "MAX_STEPS": 16, "BATCH_SIZE": 4, "LEARNING_RATE": 1e-3,
        "ADAPTER_DIM": 16, "ADAPTER_DROPOUT": 0.0, "EVAL_LIMIT": 12,
    },
    "long": _LOCAL | {
        "NUM_EXAMPLES": 2000, "EPOCHS": 2, "MAX_STEPS": -1, "BATCH_SIZE": 4, "LEARNING_RATE": 4e-4,
        "ADAPTER_DIM": 32, "ADAPTER_DROPOUT": 0.05, "EVAL_LIMIT": 0,
    },
    "cluster": {
        "BASE_MODEL": "meta/llama-3.2-1b-instruct", "BASE_MODEL_VERSION": "v1.0.0+80GB",
        "DATASET": "Salesforce/xlam-function-calling-60k",
        "NUM_EXAMPLES": 5000, "EPOCHS": 2, "MAX_STEPS": -1, "BATCH_SIZE": 16, "LEARNING_RATE": 1e-4,
        "ADAPTER_DIM": 32, "ADAPTER_DROPOUT": 0.1, "EVAL_LIMIT": 0,
    },
}  # fmt: skip
if PROFILE not in PROFILES:
    raise _SettingError(
        f"PROFILE must be one of {', '.join(PROFILES)}, not {PROFILE!r}.",
        now="nothing was started.",
        next_step="correct it in config.py, or in the environment variable of that name.",
    )
_profile = PROFILES[PROFILE]

BASE_MODEL = _setting("BASE_MODEL", _profile["BASE_MODEL"])  # the model to customize, as NIM serves it
BASE_MODEL_VERSION = _setting("BASE_MODEL_VERSION", _profile["BASE_MODEL_VERSION"])  # its training configuration
DATASET = _setting("DATASET", _profile["DATASET"])  # "bfcl", a hub id, or the path of a JSONL file
# Rows for training alone, where the data has too few of something: a JSONL path, or "" for none.
ADDED_ROWS = _setting("ADDED_ROWS", "examples/days.jsonl" if DATASET == "bfcl" else "")
NUM_EXAMPLES = _setting("NUM_EXAMPLES", _profile["NUM_EXAMPLES"])  # rows to take, at most: a seeded sample
EPOCHS = _setting("EPOCHS", _profile["EPOCHS"])  # passes over the training rows
MAX_STEPS = _setting("MAX_STEPS", _profile["MAX_STEPS"])  # optimizer steps after which training ends early; -1: none
BATCH_SIZE = _setting("BATCH_SIZE", _profile["BATCH_SIZE"])  # rows per optimizer step
LEARNING_RATE = _setting("LEARNING_RATE", _profile["LEARNING_RATE"])  # at its peak
ADAPTER_DIM = _setting("ADAPTER_DIM", _profile["ADAPTER_DIM"])  # LoRA rank, a power of two
ADAPTER_DROPOUT = _setting("ADAPTER_DROPOUT", _profile["ADAPTER_DROPOUT"])  # 0 to 1
EVAL_LIMIT = _setting("EVAL_LIMIT", _profile["EVAL_LIMIT"])  # test rows to evaluate; 0: all of them

SEED = _setting("SEED", 1234)  # sampling, splits and training start from it
LIMIT_TOOL_PROPERTIES = _setting("LIMIT_TOOL_PROPERTIES", 8)  # NIM 1.8 freezes on tools with more parameters than this

# --- Names in the services, and folders here. ---------------------------------------------------------------------------
NMS_NAMESPACE = _setting("NMS_NAMESPACE", "xlam-tutorial-ns")  # groups everything this tutorial creates
DATASET_NAME = _setting("DATASET_NAME", "xlam-ft-dataset")  # the dataset in Data Store and Entity Store
# The customized model; the Customizer appends "@<job id>", so every run keeps a model of its own.
CUSTOM_MODEL = _setting("CUSTOM_MODEL", f"{NMS_NAMESPACE}/{BASE_MODEL.split('/')[-1]}-xlam-run1")
DATA_DIR = _setting("DATA_DIR", "data")  # files that notebook 1 writes
RESULTS_DIR = _setting("RESULTS_DIR", "results/run")  # hand-over between notebooks, metrics, downloads
LOCAL_STATE = _setting("LOCAL_STATE", ".local_nemo")  # state of the local_nemo that is started when the URLs are empty
