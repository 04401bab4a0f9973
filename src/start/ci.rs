//! Which job of which build it was: a few variables that CI systems are known to set. The rest of the environment may
//! hold secrets, and is not even looked at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A CI system, and what it tells about the job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ci {
    /// "GitHub Actions", "GitLab CI", …; "unknown" where only `CI` is set.
    pub system: String,
    /// By the names of the environment; without those that are empty.
    pub variables: BTreeMap<String, String>,
}

struct System {
    name: &'static str,
    /// Which variable shows it, and its value where the name alone does not.
    sign: (&'static str, Option<&'static str>),
    variables: &'static [&'static str],
}

/// The systems, by their documentation. Some set the signs of others too: the first that is found counts.
const SYSTEMS: &[System] = &[
    System { name: "Forgejo Actions", sign: ("FORGEJO_ACTIONS", None), variables: GITHUB },
    System { name: "Gitea Actions", sign: ("GITEA_ACTIONS", None), variables: GITHUB },
    System { name: "GitHub Actions", sign: ("GITHUB_ACTIONS", None), variables: GITHUB },
    System {
        name: "GitLab CI",
        sign: ("GITLAB_CI", None),
        variables: &[
            "CI_COMMIT_REF_NAME",
            "CI_COMMIT_SHA",
            "CI_COMMIT_TAG",
            "CI_CONCURRENT_ID",
            "CI_JOB_ID",
            "CI_JOB_IMAGE",
            "CI_JOB_NAME",
            "CI_JOB_STAGE",
            "CI_JOB_URL",
            "CI_MERGE_REQUEST_IID",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
            "CI_NODE_INDEX",
            "CI_NODE_TOTAL",
            "CI_PIPELINE_ID",
            "CI_PIPELINE_SOURCE",
            "CI_PIPELINE_URL",
            "CI_PROJECT_PATH",
            "CI_RUNNER_DESCRIPTION",
            "CI_RUNNER_ID",
            "CI_RUNNER_TAGS",
            "CI_SERVER_URL",
        ],
    },
    System {
        name: "Woodpecker",
        sign: ("CI", Some("woodpecker")),
        variables: &[
            "CI_COMMIT_BRANCH",
            "CI_COMMIT_PULL_REQUEST",
            "CI_COMMIT_SHA",
            "CI_COMMIT_TAG",
            "CI_MACHINE",
            "CI_PIPELINE_EVENT",
            "CI_PIPELINE_NUMBER",
            "CI_PIPELINE_URL",
            "CI_REPO",
            "CI_STEP_NAME",
            "CI_SYSTEM_URL",
            "CI_WORKFLOW_NAME",
            "CI_WORKFLOW_NUMBER",
        ],
    },
    System {
        name: "Drone",
        sign: ("DRONE", None),
        variables: &[
            "DRONE_BRANCH",
            "DRONE_BUILD_EVENT",
            "DRONE_BUILD_LINK",
            "DRONE_BUILD_NUMBER",
            "DRONE_COMMIT_SHA",
            "DRONE_PULL_REQUEST",
            "DRONE_REPO",
            "DRONE_STAGE_MACHINE",
            "DRONE_STAGE_NAME",
            "DRONE_STEP_NAME",
            "DRONE_TAG",
        ],
    },
    System {
        name: "Buildkite",
        sign: ("BUILDKITE", None),
        variables: &[
            "BUILDKITE_AGENT_NAME",
            "BUILDKITE_BRANCH",
            "BUILDKITE_BUILD_ID",
            "BUILDKITE_BUILD_NUMBER",
            "BUILDKITE_BUILD_URL",
            "BUILDKITE_COMMIT",
            "BUILDKITE_JOB_ID",
            "BUILDKITE_LABEL",
            "BUILDKITE_ORGANIZATION_SLUG",
            "BUILDKITE_PARALLEL_JOB",
            "BUILDKITE_PARALLEL_JOB_COUNT",
            "BUILDKITE_PIPELINE_SLUG",
            "BUILDKITE_PULL_REQUEST",
            "BUILDKITE_REPO",
            "BUILDKITE_RETRY_COUNT",
            "BUILDKITE_STEP_KEY",
            "BUILDKITE_TAG",
        ],
    },
    System {
        name: "CircleCI",
        sign: ("CIRCLECI", None),
        variables: &[
            "CIRCLE_BRANCH",
            "CIRCLE_BUILD_NUM",
            "CIRCLE_BUILD_URL",
            "CIRCLE_JOB",
            "CIRCLE_NODE_INDEX",
            "CIRCLE_NODE_TOTAL",
            "CIRCLE_PROJECT_REPONAME",
            "CIRCLE_PROJECT_USERNAME",
            "CIRCLE_PULL_REQUEST",
            "CIRCLE_REPOSITORY_URL",
            "CIRCLE_SHA1",
            "CIRCLE_TAG",
            "CIRCLE_WORKFLOW_ID",
        ],
    },
    System {
        name: "Azure Pipelines",
        sign: ("TF_BUILD", None),
        variables: &[
            "AGENT_JOBNAME",
            "AGENT_MACHINENAME",
            "AGENT_NAME",
            "BUILD_BUILDID",
            "BUILD_BUILDNUMBER",
            "BUILD_DEFINITIONNAME",
            "BUILD_REASON",
            "BUILD_REPOSITORY_NAME",
            "BUILD_REPOSITORY_URI",
            "BUILD_SOURCEBRANCH",
            "BUILD_SOURCEVERSION",
            "SYSTEM_COLLECTIONURI",
            "SYSTEM_JOBATTEMPT",
            "SYSTEM_JOBID",
            "SYSTEM_PULLREQUEST_PULLREQUESTID",
            "SYSTEM_STAGENAME",
            "SYSTEM_TEAMPROJECT",
            "ImageOS",
            "ImageVersion",
        ],
    },
    System {
        name: "Bitbucket Pipelines",
        sign: ("BITBUCKET_BUILD_NUMBER", None),
        variables: &[
            "BITBUCKET_BRANCH",
            "BITBUCKET_BUILD_NUMBER",
            "BITBUCKET_COMMIT",
            "BITBUCKET_GIT_HTTP_ORIGIN",
            "BITBUCKET_PARALLEL_STEP",
            "BITBUCKET_PARALLEL_STEP_COUNT",
            "BITBUCKET_PIPELINE_UUID",
            "BITBUCKET_PR_ID",
            "BITBUCKET_REPO_FULL_NAME",
            "BITBUCKET_STEP_UUID",
            "BITBUCKET_TAG",
        ],
    },
    System {
        name: "Travis CI",
        sign: ("TRAVIS", None),
        variables: &[
            "TRAVIS_BRANCH",
            "TRAVIS_BUILD_NUMBER",
            "TRAVIS_BUILD_WEB_URL",
            "TRAVIS_COMMIT",
            "TRAVIS_CPU_ARCH",
            "TRAVIS_DIST",
            "TRAVIS_EVENT_TYPE",
            "TRAVIS_JOB_NAME",
            "TRAVIS_JOB_NUMBER",
            "TRAVIS_JOB_WEB_URL",
            "TRAVIS_PULL_REQUEST",
            "TRAVIS_REPO_SLUG",
            "TRAVIS_TAG",
        ],
    },
    System {
        name: "TeamCity",
        sign: ("TEAMCITY_VERSION", None),
        variables: &[
            "BUILD_NUMBER",
            "BUILD_URL",
            "BUILD_VCS_NUMBER",
            "TEAMCITY_BUILDCONF_NAME",
            "TEAMCITY_PROJECT_NAME",
            "TEAMCITY_VERSION",
        ],
    },
    System {
        name: "AWS CodeBuild",
        sign: ("CODEBUILD_BUILD_ID", None),
        variables: &[
            "CODEBUILD_BUILD_ID",
            "CODEBUILD_BUILD_IMAGE",
            "CODEBUILD_BUILD_NUMBER",
            "CODEBUILD_RESOLVED_SOURCE_VERSION",
            "CODEBUILD_SOURCE_REPO_URL",
            "CODEBUILD_SOURCE_VERSION",
        ],
    },
    System {
        name: "Jenkins",
        sign: ("JENKINS_URL", None),
        variables: &[
            "BRANCH_NAME",
            "BUILD_NUMBER",
            "BUILD_TAG",
            "BUILD_URL",
            "CHANGE_ID",
            "CHANGE_TARGET",
            "EXECUTOR_NUMBER",
            "GIT_BRANCH",
            "GIT_COMMIT",
            "GIT_URL",
            "JENKINS_URL",
            "JOB_NAME",
            "NODE_NAME",
            "STAGE_NAME",
        ],
    },
];

/// Of GitHub, and of those that follow it.
const GITHUB: &[&str] = &[
    "GITHUB_BASE_REF",
    "GITHUB_EVENT_NAME",
    "GITHUB_HEAD_REF",
    "GITHUB_JOB",
    "GITHUB_REF",
    "GITHUB_REPOSITORY",
    "GITHUB_RUN_ATTEMPT",
    "GITHUB_RUN_ID",
    "GITHUB_RUN_NUMBER",
    "GITHUB_SERVER_URL",
    "GITHUB_SHA",
    "GITHUB_WORKFLOW",
    "RUNNER_ARCH",
    "RUNNER_ENVIRONMENT",
    "RUNNER_NAME",
    "RUNNER_OS",
    "ImageOS",
    "ImageVersion",
];

/// Of a system that is not known.
const COMMON: &[&str] = &["BUILD_ID", "BUILD_NUMBER", "BUILD_URL", "CI", "CI_NAME", "JOB_NAME"];

/// A value is cut after so many characters.
const LONGEST: usize = 500;

impl Ci {
    /// Looks at the variables by name; none where there is no sign of a CI system.
    pub fn look(get: impl Fn(&str) -> Option<String>) -> Option<Ci> {
        // `GITLAB_CI=false` is how people turn it off.
        let is_set = |name: &str| get(name).is_some_and(|v| !v.is_empty() && v != "false" && v != "0");
        let shows = |system: &&System| match system.sign {
            (name, None) => is_set(name),
            (name, Some(value)) => get(name).as_deref() == Some(value),
        };
        let (system, variables) = match SYSTEMS.iter().find(shows) {
            Some(system) => (system.name, system.variables),
            None if is_set("CI") => ("unknown", COMMON),
            None => return None,
        };
        let value = |name: &str| get(name).filter(|v| !v.is_empty()).map(|v| harmless(&v));
        let variables = variables.iter().filter_map(|name| Some(((*name).to_string(), value(name)?))).collect();
        Some(Ci { system: system.to_string(), variables })
    }
}

/// The value, cut to a sensible length, without the user and password of a URL.
fn harmless(value: &str) -> String {
    let mut kept = String::new();
    let mut rest = value;
    while let Some((before, behind)) = rest.split_once("://") {
        kept.push_str(before);
        kept.push_str("://");
        let authority = behind.find(|c: char| matches!(c, '/' | '?' | '#' | ',') || c.is_whitespace());
        let end = authority.unwrap_or(behind.len());
        let host = behind[..end].rfind('@').map_or(0, |at| at + 1);
        kept.push_str(&behind[host..end]);
        rest = &behind[end..];
    }
    kept.push_str(rest);
    match kept.char_indices().nth(LONGEST) {
        Some((at, _)) => kept[..at].to_string() + "…",
        None => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(environment: &[(&str, &str)]) -> Option<Ci> {
        Ci::look(|name| environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_string()))
    }

    #[test]
    fn a_job_and_no_secrets() {
        let ci = look(&[
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_TOKEN", "ghs_secret"),
            ("ACTIONS_RUNTIME_TOKEN", "secret"),
            ("GITHUB_RUN_ID", "1658821493"),
            ("GITHUB_REPOSITORY", "octocat/Hello-World"),
            ("GITHUB_HEAD_REF", ""),
            ("HOME", "/home/runner"),
        ])
        .unwrap();
        assert_eq!(ci.system, "GitHub Actions");
        let variables: Vec<_> = ci.variables.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(variables, ["GITHUB_REPOSITORY=octocat/Hello-World", "GITHUB_RUN_ID=1658821493"]);
    }

    #[test]
    fn signs() {
        let system = |environment: &[(&str, &str)]| look(environment).map(|ci| ci.system);
        assert_eq!(system(&[("CI", "woodpecker")]).as_deref(), Some("Woodpecker"));
        assert_eq!(system(&[("CI", "true"), ("TF_BUILD", "True")]).as_deref(), Some("Azure Pipelines"));
        assert_eq!(system(&[("GITHUB_ACTIONS", "true"), ("GITEA_ACTIONS", "true")]).as_deref(), Some("Gitea Actions"));
        assert_eq!(system(&[("CI", "1")]).as_deref(), Some("unknown"));
        for nothing in [&[][..], &[("CI", "")], &[("CI", "false")], &[("BUILD_NUMBER", "4")], &[("GITLAB_CI", "0")]] {
            assert_eq!(system(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn no_name_of_a_secret_is_on_the_list() {
        let names = SYSTEMS.iter().flat_map(|s| s.variables).chain(COMMON);
        for name in names {
            let upper = name.to_uppercase();
            for word in ["TOKEN", "SECRET", "PASS", "KEY_", "CREDENTIAL", "AUTH", "COOKIE", "PRIVATE", "EMAIL"] {
                assert!(!upper.contains(word), "{name}");
            }
        }
    }

    #[test]
    fn passwords_in_urls() {
        for (value, kept) in [
            ("https://user:token@example.org/a.git", "https://example.org/a.git"),
            ("https://x-access-token:p@ss@example.org:8443", "https://example.org:8443"),
            ("https://example.org/@scope?mail=a@b", "https://example.org/@scope?mail=a@b"),
            ("https://a:b@one/,ssh://c@two/", "https://one/,ssh://two/"),
            ("git@example.org:a/b.git", "git@example.org:a/b.git"),
            ("://", "://"),
            ("main", "main"),
        ] {
            assert_eq!(harmless(value), kept);
        }
        assert_eq!(harmless(&"ä".repeat(600)), "ä".repeat(500) + "…");
    }
}
