"""The one closing line of scripts/test: sums the JUnit files of all steps. A step that failed without a failing test counts one."""

import pathlib
import sys
import xml.etree.ElementTree as ET

results, failed_steps = pathlib.Path(sys.argv[1]), int(sys.argv[2])
passed = failed = skipped = 0
steps_with_failures = set()
for path in sorted(results.glob("*.xml")):
    for case in ET.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            steps_with_failures.add(path.stem)
            print(f"failed: {path.stem}: {case.get('classname')}.{case.get('name')}")
        elif case.find("skipped") is not None:
            skipped += 1
            print(f"skipped: {path.stem}: {case.get('classname')}.{case.get('name')}")
        else:
            passed += 1
if failed_steps and not failed:
    failed = failed_steps
print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
sys.exit(1 if failed or failed_steps or not passed else 0)
