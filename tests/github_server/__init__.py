"""A stand-in for GitHub on this machine: its API and its git, with state, permissions and faults."""

from github_server.github import GitHubServer
from github_server.repository import Repository
from github_server.state import Comment, Pull, Token
from github_server.troubles import Kind

__all__ = ["Comment", "GitHubServer", "Kind", "Pull", "Repository", "Token"]
