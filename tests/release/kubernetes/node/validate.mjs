// Validates Kubernetes objects against the published schemas of their kinds.
//
// Usage: node validate.mjs FILE
// FILE is a JSON list of objects. Prints a JSON list of what is wrong with each: a list of texts.
import { readFileSync } from "node:fs";
import { unknownFields } from "./unknown.mjs";

const PACKAGES = [
  [/(^|\.)istio\.io$/, "@kubernetes-models/istio"],
  [/^gateway\.networking\.k8s\.io$/, "@kubernetes-models/gateway-api"],
  [/^gateway\.envoyproxy\.io$/, "@kubernetes-models/envoy-gateway"],
  [/^(|apps|networking\.k8s\.io)$/, "kubernetes-models"],
];

/** The class of a kind, which has the compiled schema. */
async function model({ apiVersion = "", kind }) {
  const [version, group = ""] = apiVersion.split("/").reverse();
  const found = PACKAGES.find(([groups]) => groups.test(group));
  if (!found) throw new Error(`no package has the schemas of ${apiVersion}`);
  const path = [found[1], group, version, kind].filter(Boolean).join("/");
  return (await import(path))[kind];
}

async function problems(object) {
  try {
    const { validate } = (await model(object)).prototype;
    return unknownFields(object, (watched) => validate.call(watched));
  } catch (error) {
    return [error.message];
  }
}

const objects = JSON.parse(readFileSync(process.argv[2], "utf8"));
console.log(JSON.stringify(await Promise.all(objects.map(problems))));
