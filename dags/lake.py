"""The lake's DAGs, made by `lakelib.airflow` from notebooks, contracts and conf/: no logic of its own."""

from pathlib import Path

from lakelib.airflow import dags

dags(Path(__file__).parents[1])
