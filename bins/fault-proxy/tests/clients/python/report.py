"""Checks a report against its schema, and a JUnit file, as a program that reads them would. Prints the test cases."""

import json
import sys
import xml.etree.ElementTree as ElementTree

import jsonschema_rs


def closed(schema):
    """Refuses members that the schema does not describe."""
    if isinstance(schema, dict):
        if "properties" in schema and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        for value in schema.values():
            closed(value)
    elif isinstance(schema, list):
        for value in schema:
            closed(value)


schema_file, report_file, junit_file = sys.argv[1:]
with open(schema_file) as file:
    schema = json.load(file)
jsonschema_rs.meta.validate(schema)
closed(schema)
with open(report_file) as file:
    report = json.load(file)
errors = [f"{error.instance_path}: {error.message}" for error in jsonschema_rs.validator_for(schema).iter_errors(report)]
assert not errors, errors

suites = ElementTree.parse(junit_file).getroot()
suite = suites.find("testsuite")
cases = suite.findall("testcase")
failures = [case for case in cases if case.find("failure") is not None]
assert (suites.tag, int(suite.get("tests")), int(suite.get("failures"))) == ("testsuites", len(cases), len(failures))
assert float(suite.get("time")) > 0
for case in cases:
    assert case.get("time") == suite.get("time"), case.attrib
    failure = case.find("failure")
    print(case.get("classname"), case.get("name"), "passed" if failure is None else failure.get("message"), sep=" | ")
