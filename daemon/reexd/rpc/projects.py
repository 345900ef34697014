"""ProjectService over steps.projects."""

from __future__ import annotations

import asyncio

import grpc
from reex.v1 import projects_pb2, projects_pb2_grpc

from reexd.records import ALPHA_DEFAULT, MODEL_DEFAULT, Project
from reexd.rpc import convert, pages
from reexd.steps.projects import Projects, ProjectSummary


class ProjectService(projects_pb2_grpc.ProjectServiceServicer):
    def __init__(self, projects: Projects) -> None:
        self._projects = projects

    async def CreateProject(
        self, request: projects_pb2.CreateProjectRequest, context: grpc.aio.ServicerContext
    ) -> projects_pb2.CreateProjectResponse:
        summary = await asyncio.to_thread(self._projects.create, _project(request.project))
        return projects_pb2.CreateProjectResponse(project=_message(summary))

    async def GetProject(
        self, request: projects_pb2.GetProjectRequest, context: grpc.aio.ServicerContext
    ) -> projects_pb2.GetProjectResponse:
        summary = await asyncio.to_thread(self._projects.get, request.name)
        return projects_pb2.GetProjectResponse(project=_message(summary))

    async def ListProjects(
        self, request: projects_pb2.ListProjectsRequest, context: grpc.aio.ServicerContext
    ) -> projects_pb2.ListProjectsResponse:
        size = pages.size(request.page_size)
        after = pages.position(request.page_token, "projects")
        summaries = await asyncio.to_thread(self._projects.list, after, size + 1)
        token = pages.token(summaries[size - 1].project.name, "projects") if len(summaries) > size else ""
        return projects_pb2.ListProjectsResponse(
            projects=[_message(summary) for summary in summaries[:size]], next_page_token=token
        )

    async def UpdateProject(
        self, request: projects_pb2.UpdateProjectRequest, context: grpc.aio.ServicerContext
    ) -> projects_pb2.UpdateProjectResponse:
        fields = tuple(request.update_mask.paths)
        summary = await asyncio.to_thread(self._projects.update, _project(request.project), fields)
        return projects_pb2.UpdateProjectResponse(project=_message(summary))

    async def DeleteProject(
        self, request: projects_pb2.DeleteProjectRequest, context: grpc.aio.ServicerContext
    ) -> projects_pb2.DeleteProjectResponse:
        await asyncio.to_thread(self._projects.delete, request.name)
        return projects_pb2.DeleteProjectResponse()


def _project(message: projects_pb2.Project) -> Project:
    return Project(
        name=message.name,
        classes=tuple(message.classes),
        model=message.model or MODEL_DEFAULT,
        pooling=message.pooling,
        document_prefix=message.document_prefix,
        query_prefix=message.query_prefix,
        prompt=message.prompt,
        alpha=message.alpha if message.HasField("alpha") else ALPHA_DEFAULT,
    )


def _message(summary: ProjectSummary) -> projects_pb2.Project:
    return convert.project(
        summary.project, live_version=summary.live_version, document_count=summary.document_count
    )
