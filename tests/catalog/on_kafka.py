"""`python -m tests.catalog.on_kafka`: the catalog's Kafka sink against a broker of this machine.

What DataHub's emitter for Kafka needs and the broker's jars are no part of the environment: they are fetched into a
folder of their own, which goes with the end (needs Maven and a network).
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("confluent-kafka>=2.9,<3", "fastavro>=1.2,<2", "authlib", "cachetools", "joserfc")
POM: Final = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>lakelib</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.3.1</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.1</version></dependency>
  </dependencies>
</project>
"""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="lake-kafka-") as folder:
        packages, jars = Path(folder, "packages"), Path(folder, "jars")
        fetched = [str(ROOT / ".ci" / "uv"), "pip", "install", "--quiet", "--target", str(packages), "--no-deps"]
        subprocess.run([*fetched, *PACKAGES], check=True)
        Path(folder, "pom.xml").write_text(POM)
        copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
        subprocess.run(["mvn", "-q", "-f", f"{folder}/pom.xml", *copy], check=True)
        variables = {"PYTHONPATH": str(packages), "LAKE_KAFKA_JARS": str(jars)}
        command = [sys.executable, "-m", "pytest", "-n", "0", "tests/catalog/kafka_sink.py", *sys.argv[1:]]
        return subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
