"""What the Tab key completes in a shell: commands, options and the values that an option takes."""

import click

from optsync.cli.output import Output, with_output


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@with_output
@click.pass_context
def completion(context: click.Context, out: Output, shell: str) -> None:
    """Print the script that lets a shell complete optsync's commands and options.

    \b
    Examples:
      optsync completion bash > ~/.local/share/bash-completion/completions/optsync
      optsync completion zsh > "${fpath[1]}/_optsync"
      optsync completion fish > ~/.config/fish/completions/optsync.fish

    The folder may have to be made first. It works in shells that are started from then on; bash needs 4.4 or newer.
    """
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    command = kind(context.find_root().command, {}, "optsync", "_OPTSYNC_COMPLETE")
    script = ShellComplete.source(command)  # that of bash would also start a bash to ask for its version
    out.show({"shell": shell, "script": script}, script.strip())
