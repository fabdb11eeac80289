@slow
Feature: Mode 1, a replay with a new consumer group that deletes nothing
  The document is run word for word on production in miniature. What counts is what became of the
  data, not what the commands printed.

  Background:
    Given production as profile "S" has it
    And a market of 4000 events
    And the document is the project's own edition

  Scenario: A stateless job reads everything again
    Given production has upgradeMode "stateless"
    When Mode 1 is rehearsed on the GitOps route
    Then the verdict is pass
    And the checks come out as
      | check                       | verdict |
      | trading-paused              | pass    |
      | job-suspended-before-change | pass    |
      | replay-group-fresh          | pass    |
      | live-group-untouched        | pass    |
      | inputs-and-topics-intact    | pass    |
      | inputs-reread               | pass    |
      | lag-falls                   | pass    |
      | freshness                   | pass    |
      | outputs-complete            | pass    |
      | outputs-unique              | pass    |
    And every rule of the referee was kept
    And every command of the document succeeded
    And nothing is left running

  Scenario Outline: A job that keeps its state only restarts, although every command succeeds
    Given production has upgradeMode "<mode>"
    When Mode 1 is rehearsed on the GitOps route
    Then every command of the document succeeded
    But the verdict is fail
    And the check "inputs-reread" fails
    And the reason of the verdict says "this was a plain restart, not a replay"
    And the reason of "inputs-reread" says "The job resumed from s3a://flink-checkpoints/torghut/technical-analysis/<origin>/"
    And the reason of "inputs-reread" says "(upgradeMode <mode>): a source restored from a checkpoint takes its offsets from it and ignores TA_GROUP_ID"
    And the check "lag-falls" fails
    And the check "outputs-complete" fails
    And the check "replay-group-fresh" passes
    And the check "live-group-untouched" passes
    And nothing is left running

    Examples:
      | mode       | origin      |
      | last-state | checkpoints |
      | savepoint  | savepoints  |

  Scenario: The emergency route leaves the job suspended
    When Mode 1 is rehearsed on the emergency route
    Then every command of the document succeeded
    But the verdict is fail
    And the check "inputs-reread" fails
    And the reason of the verdict says "spec.job.state is still suspended at the end"
    And the reason of "inputs-reread" says "bumping restartNonce does not resume a suspended job"
    And the check "outputs-complete" fails
    # Nothing brings the edited ConfigMap into the cluster on this route.
    And the check "job-suspended-before-change" is unknown
    And the reason of "job-suspended-before-change" says "TA_GROUP_ID never changed in the cluster"
    And the check "lag-falls" is unknown
    And the check "trading-paused" passes
    # The patches are in the cluster and nowhere in Git.
    And the check "emergency-patch-reconciled-to-git" fails
    And nothing is left running

  Scenario: The production repository's own document
    Given the document "../shared/runbook/ta-replay.md", where it is there
    When Mode 1 is rehearsed on the GitOps route
    Then the verdict is pass
    And every command of the document succeeded
    And nothing is left running

  Scenario: A group that was used before resumes from its old commits
    Given production has groupId "torghut-ta-replay-INC1234"
    And the rehearsal has replayId "INC1234"
    When Mode 1 is rehearsed on the GitOps route
    Then every command of the document succeeded
    But the verdict is fail
    And the check "replay-group-fresh" fails
    And the reason of "replay-group-fresh" says "torghut-ta-replay-INC1234 has been used before"
    And the check "inputs-reread" fails
    And nothing is left running

  Scenario: A recorded market with trades out of order and too late
    Given the market as recorded in "tests/data/golden/disorder/tape.jsonl.gz"
    When Mode 1 is rehearsed on the GitOps route
    Then the verdict is pass
    And every command of the document succeeded
    And nothing is left running
