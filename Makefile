# The targets are the README's commands. `make` lists them.
SHELL := bash
BIN := .venv/bin
# Data for training the mini models and for some tests; lies beside a checkout.
SHARED ?= ../shared
PYTEST_ARGS ?=
# Processes that share the files of tests, unless PYTEST_ARGS asks for some.
WORKERS ?= 2
# How many of the longest tests are named at the end.
LONGEST ?= 5
ZERO3 := tests/train/test_zero3.py
INSTALL := tests/test_install.py
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Each of the processes that tests start would compile anew what it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-core demo review services test test-slow test-both test-zero3 test-install test-vllm check format setup-vllm bench bench-data bench-train bench-server bench-review bench-vllm bench-llamacpp screenshots mini small ablation ablation-small align-small align-online-small

help: ## List the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup-core:
	@scripts/setup.sh compare

setup: ## Install everything that development needs into .venv
	@scripts/setup.sh train,app,dev

demo: setup-core ## Judge the example pairs with the bundled judge and reward models
	@judge models fetch
	judge batch examples/pairs.jsonl --out runs/demo --mode justify --window 8 \
	  --scorer small-bt --scorer small-regression --fresh
	@python scripts/show_judgment.py runs/demo
	@echo
	@echo "All of them with their justifications, to read:     open runs/demo/report.html in a browser"
	@echo "To review them in the browser and overrule a judge: make review"
	@echo "Your own pairs:                                     .venv/bin/judge batch PAIRS.jsonl --out runs/mine"

review: ## Review the judgments of the demo in the browser
	@scripts/setup.sh app,compare,serve
	@[[ -f runs/demo/config.json ]] || $(MAKE) demo
	@judge models fetch
	judge review runs/demo

services: ## Install what tests start: PostgreSQL, Chromium, a C++ compiler (Debian, Ubuntu)
	@scripts/setup_services.sh

# The fast lane: what one environment and eight minutes are enough for. Slow ones: test-slow, test-zero3, test-install,
# test-vllm.
FAST := -n $(WORKERS) --dist loadfile --no-loadscope-reorder --ignore=$(ZERO3) --ignore=$(INSTALL)
test: setup ## Run the tests but those of the slow lanes
	pytest --durations=$(LONGEST) $(or $(PYTEST_ARGS),$(FAST) -m "not slow")

test-slow: setup ## Run the tests that take more than about ten seconds each: kills, volume, every page, every command of the docs
	pytest --durations=$(LONGEST) $(or $(PYTEST_ARGS),$(FAST) -m slow)

test-both: setup ## The tests of both in one run, which loads the libraries once
	pytest --durations=$(LONGEST) $(or $(PYTEST_ARGS),$(FAST))

test-zero3: setup ## Train with two processes, ZeRO-3 and an optimizer that DeepSpeed compiles
	pytest --durations=$(LONGEST) $(ZERO3) $(PYTEST_ARGS) || [ $$? = 5 -a -n "$(PYTEST_ARGS)" ]

test-install: setup ## Build the wheel and use it where nothing but the core is installed
	pytest --durations=$(LONGEST) $(INSTALL) $(PYTEST_ARGS) || [ $$? = 5 -a -n "$(PYTEST_ARGS)" ]

setup-vllm: ## Install vLLM into .venv-vllm; without a GPU its build for CPUs
	@scripts/setup_vllm.sh

test-vllm: setup-vllm ## Run the tests of the vLLM engine, in its environment
	NEEDS_VLLM=1 .venv-vllm/bin/python -m pytest --timeout=900 --durations=$(LONGEST) tests/vllm $(PYTEST_ARGS) || \
	  [ $$? = 5 -a -n "$(PYTEST_ARGS)" ]  # none of those that were asked for

screenshots: setup services ## The pictures of the review UI's guides, made anew
	SCREENSHOTS=docs/images pytest tests/app/e2e/test_screenshots.py

check: setup ## Formatting, lint and types, without changing a file
	ruff format --check .
	ruff check .
	mypy

format: setup ## Format and fix what can be fixed
	ruff format .
	ruff check --fix .

bench: setup ## Pairs a second: the engine against the naive loop
	@status=0; for mode in verdict justify; do for dtype in auto bfloat16; do \
	  python benchmarks/engine.py --mode $$mode --dtype $$dtype || status=1; \
	done; done; exit $$status

bench-data: setup ## Rows a second and memory of the data pipeline; the 7-gram check's time
	python benchmarks/data.py --rows 10000,100000
	python benchmarks/contamination.py --rows 0

bench-server: setup ## A million short pairs against a scripted server: rate, memory, resume
	python benchmarks/server_volume.py

bench-train: setup ## Packed training against padded: tokens forwarded, rate; memory of the loss
	python benchmarks/reward_training.py
	python benchmarks/justifier_training.py
	python benchmarks/dpo_training.py

bench-review: setup ## The review server under 50 and 200 simulated annotators
	python benchmarks/review_load.py

bench-vllm: setup-vllm ## The vLLM engine against bare vLLM: rates, shared tokens, host work
	.venv-vllm/bin/python benchmarks/vllm_engine.py

bench-llamacpp: setup ## The transformers engine against llama.cpp's own server, the same file
	python benchmarks/llamacpp.py

mini: setup ## Retrain the bundled mini judge (under two hours on two cores, minutes on a GPU)
	judge train pretrain --config mini_pretrain text_dir=$(SHARED)/data/text \
	  pairs=$(SHARED)/data/human_pairs/preference/preference.jsonl.gz
	judge data prepare $(SHARED)/data/human_pairs --out work/mini_sets \
	  --style statement_only --style elaboration_first
	python scripts/contrast_pairs.py $(SHARED)/data/human_pairs/preference/preference.jsonl.gz work/contrast
	judge data prepare work/contrast --out work/contrast_sets --style statement_only
	judge train justifier --config mini_contrast
	judge train justifier --config mini
	python scripts/bundle_mini.py work/mini_judge judge/models/mini_judge work/mini_base

# The pairs of each step, so many a source.
small: setup ## Retrain the bundled small models (about four hours of one quiet core with bfloat16)
	python scripts/small_pairs.py $(SHARED)/data work/small_answers_pairs \
	  --count e-CARE=6000 --count COPA-SSE=400 --val 400 --seed 17
	judge data prepare work/small_answers_pairs --kind preference --out work/small_answers_preferences
	judge train reward --config small_answers
	python scripts/answer_ratings.py $(SHARED)/data/human_pairs work/small_rated 1500 2
	judge data prepare work/small_rated --kind regression --attributes helpfulness \
	  --out work/small_ratings
	judge train reward --config small_regression
	python scripts/small_pairs.py $(SHARED)/data work/small_mixed_pairs --count e-CARE=1500 \
	  --count COPA-SSE=150 --count UKPConvArg1=900 --count Vicuna80=120 --count FineGrainedRLHF=60 \
	  --val 100 --seed 18
	judge data prepare work/small_mixed_pairs --kind preference --out work/small_mixed_preferences
	judge train reward --config small_mixed
	python scripts/small_pairs.py $(SHARED)/data work/small_bt_pairs --count e-CARE=1500 \
	  --count COPA-SSE=100 --count UKPConvArg1=2400 --count Vicuna80=60 --val 100 --seed 22
	judge data prepare work/small_bt_pairs --kind preference --out work/small_bt_preferences
	judge train reward --config small_bt
	python scripts/small_pairs.py $(SHARED)/data work/small_verdict_pairs --explain \
	  --count e-CARE=1250 --count COPA-SSE=150 --count UKPConvArg1=650 --count Vicuna80=60 \
	  --count FineGrainedRLHF=20 --val 60 --seed 19
	judge data prepare work/small_verdict_pairs --style statement_only --style elaboration_first \
	  --out work/small_verdict_sets
	judge train justifier --config small_verdicts
	python scripts/small_pairs.py $(SHARED)/data work/small_reasons_pairs --explain \
	  --count e-CARE=1500 --count COPA-SSE=120 --count UKPConvArg1=350 --count Vicuna80=30 \
	  --count FineGrainedRLHF=10 --val 60 --seed 20
	judge data prepare work/small_reasons_pairs --style statement_only --style elaboration_first \
	  --out work/small_reasons_sets
	judge train justifier --config small_reasons
	python scripts/small_pairs.py $(SHARED)/data work/small_quotes_pairs --explain \
	  --count e-CARE=1600 --count COPA-SSE=150 --count UKPConvArg1=2400 --count Vicuna80=80 \
	  --count FineGrainedRLHF=20 --contrast 400 --val 60 --seed 21
	judge data prepare work/small_quotes_pairs --style elaboration_first --out work/small_quotes_sets
	judge train justifier --config small_quotes
	python scripts/small_pairs.py $(SHARED)/data work/small_judge_pairs --explain --words 260 \
	  --count e-CARE=300 --count COPA-SSE=20 --count UKPConvArg1=220 --count Vicuna80=160 \
	  --val 40 --seed 31
	judge data prepare work/small_judge_pairs --style elaboration_first --out work/small_judge_sets
	judge train justifier --config small_judge
	for name in judge regression bt; do \
	  python scripts/bundle_small.py work/small_$$name judge/models/small_$$name || exit 1; done

ablation: setup ## Compare kinds of justifiers at the mini scale (about two hours on one quiet core)
	for set in overall all; do for flip in flip no-flip; do \
	  judge data prepare $(SHARED)/data/human_pairs --out work/ablation_sets/$${set}_$$flip --set $$set --$$flip \
	    --style elaboration_first --style statement_first --style statement_only --style label_only \
	    || exit 1; \
	done; done
	judge train ablation --config ablation_justifier_mini test=$(SHARED)/data/human_pairs/test/preference.jsonl.gz

# From work/small_answers, the first step of `make small`. Judges and reward models have the same test pairs.
ablation-small: setup ## Compare kinds of judges and of reward models at the small scale
	python scripts/small_pairs.py $(SHARED)/data work/ablation_test --test --count e-CARE=600 --seed 23
	python scripts/small_pairs.py $(SHARED)/data work/ablation_pairs --count e-CARE=1300 --val 200 --seed 21
	for flip in flip no-flip; do \
	  judge data prepare work/ablation_pairs --out work/ablation_sets/$$flip --$$flip \
	    --style label_only --style statement_only --style elaboration_first || exit 1; \
	done
	judge train ablation --config ablation_justifier_small
	python scripts/small_pairs.py $(SHARED)/data work/ablation_rewards_pairs \
	  --count e-CARE=1100 --count UKPConvArg1=260 --val 150 --seed 22
	judge data prepare work/ablation_rewards_pairs --kind preference --out work/ablation_preferences
	python scripts/answer_ratings.py $(SHARED)/data/human_pairs work/ablation_rated 1100 1
	judge data prepare work/ablation_rated --kind regression --attributes helpfulness \
	  --out work/ablation_ratings
	judge train ablation --config ablation_small

# The start, three ways of DPO and their answers to 100 prompts of the test part, judged by the small models.
align-small: setup ## Align the small base by regular, margin and scaled DPO, and judge the answers (an hour of one quiet core)
	python scripts/small_pairs.py $(SHARED)/data work/dpo_pairs --count e-CARE=900 --count UKPConvArg1=320 \
	  --val 100 --seed 41
	judge data prepare work/dpo_pairs --kind preference --out work/dpo_preferences
	python scripts/small_pairs.py $(SHARED)/data work/dpo_test --test --count e-CARE=100 --seed 43
	judge respond work/dpo_test/preference/preference.jsonl.gz --model small-base --max-new-tokens 64 --out work/answers/start
	for loss in regular margin scaled; do \
	  judge align dpo --config small_dpo loss=$$loss output_dir=work/small_dpo_$$loss && \
	  judge respond work/dpo_test/preference/preference.jsonl.gz --model work/small_dpo_$$loss --max-new-tokens 64 \
	    --out work/answers/$$loss || exit 1; done
	judge arena pairs start=work/answers/start regular=work/answers/regular margin=work/answers/margin \
	  scaled=work/answers/scaled --baseline start --mode verdict --out work/arena_small

align-online-small: setup ## Align the small base by REINFORCE, three ways, and judge the answers (two hours of one quiet core)
	python scripts/small_pairs.py $(SHARED)/data work/rloo_pairs --count e-CARE=1000 --val 120 --seed 47
	judge data prepare work/rloo_pairs --kind prompts --out work/small_prompts
	judge align rloo --config small_rloo output_dir=work/rloo_02
	judge align rloo --config small_rloo beta=0.1 output_dir=work/rloo_10
	judge align rloo --config small_rloo leave_out_truncated=true length_penalty=0.04 max_steps=36 output_dir=work/rloo_short
	python scripts/small_pairs.py $(SHARED)/data work/dpo_test --test --count e-CARE=100 --seed 43
	judge respond work/dpo_test/preference/preference.jsonl.gz --model small-base --max-new-tokens 64 --out work/answers/start
	for run in rloo_02 rloo_10 rloo_short; do \
	  judge respond work/dpo_test/preference/preference.jsonl.gz --model work/$$run --max-new-tokens 64 \
	    --out work/answers/$$run || exit 1; done
	judge arena pairs start=work/answers/start rloo_02=work/answers/rloo_02 rloo_10=work/answers/rloo_10 \
	  rloo_short=work/answers/rloo_short --baseline start --mode verdict --out work/arena_rloo

mini-rewards: setup ## Retrain the bundled mini reward models (about an hour on two cores)
	python scripts/coherence_pairs.py $(SHARED)/data/text \
	  $(SHARED)/data/human_pairs/preference/preference.jsonl.gz work/coherence
	judge data prepare work/coherence --kind preference --out work/coherence_sets
	judge train reward --config mini_coherence
	python scripts/coherence_pairs.py $(SHARED)/data/text \
	  $(SHARED)/data/human_pairs/preference/preference.jsonl.gz work/topics --count 40000 --seed 18 \
	  --kind other_prompt=1 --kind next_sentence=1
	judge data prepare work/topics --kind preference --out work/topic_sets
	judge train reward --config mini_topic
	python scripts/answer_ratings.py $(SHARED)/data/human_pairs work/answers
	judge data prepare work/answers --kind regression --attributes helpfulness --out work/mini_ratings
	judge train reward --config mini_answers
	python scripts/coherence_pairs.py $(SHARED)/data/text \
	  $(SHARED)/data/human_pairs/preference/preference.jsonl.gz work/arguments --count 6000 --seed 19 \
	  --kind cut_argument=4 --kind answer=2 --kind other_prompt=1 --kind next_sentence=1
	judge data prepare work/arguments --kind preference --out work/argument_sets
	judge train reward --config mini_arguments
	python scripts/coherence_pairs.py $(SHARED)/data/text \
	  $(SHARED)/data/human_pairs/preference/preference.jsonl.gz work/long_arguments --count 1440 --seed 20 \
	  --kind cut_argument=4 --kind answer=2 --kind other_prompt=1 --kind next_sentence=1
	judge data prepare work/long_arguments --kind preference --out work/long_argument_sets
	judge train reward --config mini_long_arguments
	judge train reward --config mini_regression
	judge train expo --weak work/mini_answers --strong work/mini_regression --factor 0.5 \
	  --out work/mini_regression_mean
	judge data prepare $(SHARED)/data/human_pairs --kind preference --out work/mini_preferences
	judge train reward --config mini_scaled_bt
	judge train expo --weak work/mini_arguments --strong work/mini_long_arguments --factor 0.5 \
	  --out work/mini_arguments_mean
	judge train expo --weak work/mini_regression --strong work/mini_scaled_bt --factor 0.5 \
	  --out work/mini_preferences_mean
	judge train expo --weak work/mini_arguments_mean --strong work/mini_preferences_mean --factor 0.5 \
	  --out work/mini_bt_mean
	python scripts/bundle_mini.py work/mini_regression_mean judge/models/mini_regression \
	  --log work/mini_regression
	python scripts/bundle_mini.py work/mini_bt_mean judge/models/mini_bt --log work/mini_scaled_bt
